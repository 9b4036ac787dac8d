"""README and documents are true: figures match the records, and the files they name exist."""

import importlib.util
import json
import re
from types import ModuleType

import pytest
from conftest import ROOT

from colorizer.demo.page import launch_options
from colorizer.inference.checkpoint import Checkpoint

README = (ROOT / "README.md").read_text()


def rows() -> dict[str, list[str]]:
    """Read the table of results: the cells after the name of each row."""
    table = README.split("<!-- results -->")[1]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]
    return {row[0]: row[1:] for row in cells[2:]}


def test_figures_equal_the_records():
    metrics, unet = (
        json.loads((Checkpoint.find(model).folder / "metrics.json").read_text()) for model in ("autoencoder", "unet")
    )
    figures = {
        "U-Net (`--vividness 0`)": unet,
        "Autoencoder, predicted color + original luma": metrics,
        "Autoencoder, raw output (`--raw`)": metrics["raw"],
        "Gray baseline (no model)": metrics["gray_baseline"],
    }
    assert rows().keys() == figures.keys()
    for name, cells in rows().items():
        record = figures[name]
        expected = [
            f"{record['mse']:.5f}",
            f"{record['relative_mse']:.3f}",
            f"{record['psnr']:.1f}",
            f"{record['ssim']:.3f}",
            f"{record['delta_e']:.1f}",
            f"{record['colorfulness']:.1f}",
        ]
        assert cells == expected, name


def test_further_figures_equal_their_records():
    card = (ROOT / "docs/model-card.md").read_text()
    for name in re.findall(r"checkpoints/unet/metrics-[a-z-]+\.json", card):
        record = json.loads((ROOT / name).read_text())
        assert record["model_sha256"] == json.loads((ROOT / "checkpoints/unet/config.json").read_text())["model_sha256"]
        assert f"{record['relative_mse']:.3f}" in card


def test_model_card_equals_the_record():
    card = (ROOT / "docs/model-card.md").read_text()
    record = json.loads((ROOT / "checkpoints/unet/metrics.json").read_text())
    abilities = record["abilities"]
    for figures in abilities["vividness"].values():
        assert f"| {figures['relative_mse']:.3f} | {figures['colorfulness_ratio']:.3f} |" in card
    hints = [record["relative_mse"], *abilities["hints"].values()]
    assert f"| relative MSE | {' | '.join(f'{figure:.3f}' for figure in hints)} |" in card
    for name, figure in record["by_group"].items():
        assert f"{name} {figure:.3f}" in card.replace("\n", " ")
    assert f"{abilities['alternatives']['delta_e_median']:.1f} apart" in card
    assert f"{abilities['alternatives']['chroma_variance_ratio']:.2f} of the truth" in card


def test_latency_equals_the_record():
    record = json.loads((ROOT / "benchmarks/results/latency.json").read_text())
    ratio = record["ratio, median of the rounds"]["Colorizer.colorize / bare network, compiled"]
    assert ratio <= 2
    assert f"{ratio:.2f} times" in (ROOT / "docs/speed.md").read_text()


def load_script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_of_scaling_equal_the_record():
    scaling = load_script("docs/make_scaling.py")
    record = json.loads(scaling.RECORD.read_text()) if scaling.RECORD.exists() else None
    assert scaling.DOCUMENT.read_text().split(scaling.MARK)[1] == scaling.render(record)


def test_arithmetic_of_scaling():
    run = {
        "images per second": 1.0,
        **{f"{kind}, core-milliseconds an image": 10.0 for kind in ("command", "Ray's processes", "workers")},
    }
    part = {
        "height": 3000,
        "width": 4000,
        "single machine, 2 cores": run,
        "ray, 1 workers": run,
        "ray, 2 workers": run,
        "2 workers / 2 x 1 worker": 0.5,
        "overhead of the engine, core-milliseconds an image": 0.0,
    }
    record = {
        "scans": part,
        "small": part,
        "all results there already": {"images per second": 3200.0},
        "one scan": {f"{name}, core-milliseconds": 100 for name in ("decode", "colorize", "encode")}
        | {"megabytes in": 5.0, "megabytes out": 20.0},
        "machine": "a machine",
    }
    text = load_script("docs/make_scaling.py").render(record)
    assert "0.500 per core-second / 3600 | 556 | 55,556 |" in text
    assert "scans x 20.0 MB | 20.0 | 2,000.0 |" in text
    assert "1,250 / 12.5 = 100 cores" in text
    assert "3,200 / 32 = 100 chunks" in text
    assert "chunk of 25 scans" in text
    assert "25 / 0.500 = 50 seconds" in text
    assert "keeps 5,000 cores busy" in text


def test_runtimes_equal_the_record():
    runtimes = load_script("benchmarks/runtimes.py")
    record = json.loads(runtimes.RECORD.read_text())
    assert runtimes.DOCUMENT.read_text().split(runtimes.MARK)[1].strip() == runtimes.table(record)
    assert record["installed, MB"]["app / all"] <= 2 / 5
    assert record["start"]["LiteRT: first color / import tensorflow"] <= 1 / 5
    assert record["start"]["LiteRT: first color"]["peak MB"] < 250


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CHANGELOG.md",
        "samples/README.md",
        "docs/model-card.md",
        "docs/scaling.md",
        "docs/speed.md",
        "docs/usage.md",
        "docs/reliability.md",
    ],
)
def test_links_lead_to_files(document):
    folder = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / document).read_text())
    assert [link for link in links if not (folder / link).exists()] == []


def test_readme_is_short_and_names_the_two_commands_first():
    lines = README.splitlines()
    assert len(lines) <= 150
    assert all(any(line.strip().startswith(command) for line in lines[:25]) for command in ("make app", "make test"))


def test_records_hold_no_paths():
    for record in [*ROOT.glob("checkpoints/*/*.json"), *ROOT.glob("benchmarks/results/*.json")]:
        assert not re.search(r'": "/|\\\\|/home/', record.read_text()), record


def test_python_examples_of_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    examples = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example.replace("result.png", str(tmp_path / "result.png")), "README.md", "exec"), {})
    assert (tmp_path / "result.png").exists()


def test_figures_of_the_demo_under_load_equal_the_record():
    path = ROOT / "benchmarks/results/load.json"
    if not path.exists():
        pytest.skip("not measured yet: make soak")
    record = json.loads(path.read_text())
    text = (ROOT / "docs/scaling.md").read_text().split("<!-- load -->")[1]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line][2:]
    assert table == [
        [
            str(row["visitors"]),
            str(row["colorized a second"]),
            *(f"{milliseconds} ms" for milliseconds in row["latency, ms"].values()),
            str(row["refused"]),
            str(row["failed"]),
        ]
        for row in record["levels"]
    ]
    assert all(record["checks"].values())


def test_the_proxy_of_two_copies_fits_the_demo():
    """The largest accepted file passes; visitors stay with one instance; responses are streamed."""
    text = (ROOT / "docs/nginx.conf").read_text()
    (largest,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(largest) * 1e6 > launch_options()["max_file_size"]
    assert re.findall(r"server 127.0.0.1:(\d+);", text) == re.findall(r"\b786[1-9]\b", text.split("events")[0])
    assert re.search(r"upstream copies {\s+hash \$remote_addr consistent;", text)
    assert "proxy_pass http://copies;" in text
    assert "proxy_buffering off;" in text


def test_tests_that_documents_name_exist():
    text = (ROOT / "docs/reliability.md").read_text()
    named = re.findall(r"`([\w/]*\.py)::(\w+)`", text)
    assert named
    assert [name for path, name in named if f"def {name}(" not in (ROOT / "tests" / path).read_text()] == []
