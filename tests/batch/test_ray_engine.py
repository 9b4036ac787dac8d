"""The engine ``ray``: its plans, and runs on a cluster of three node processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, WATCH_NETWORK, encode, free_port, random_images
from object_stores import serve_gs, serve_s3

from colorizer.batch.options import PaintOptions
from colorizer.batch.plan import UsageError, plan_jobs
from colorizer.batch.ray_engine import FolderPlan, run_on_cluster
from colorizer.batch.storage import fetch, put
from colorizer.cli import main

# Ray reports even opting out of statistics, and probes the metadata addresses of clouds.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # Otherwise the workers starve on a busy machine.
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "no_proxy": "127.0.0.1,localhost",
}


def make_scans(folder: Path, count: int, size: int = 40) -> Path:
    """Write images into subfolders of ten, in two formats that collide in name now and then."""
    for i, image in enumerate(random_images(count, size)):
        path = folder / f"{i // 10}" / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image))
        if i % 10 == 0:
            path.with_suffix(".jpg").write_bytes(encode(image, "JPEG"))
    (folder / "0" / "broken.png").write_bytes(b"broken")
    (folder / "0" / "empty.tif").write_bytes(b"")
    (folder / "0" / ".hidden.png").write_bytes(b"hidden")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.png").write_bytes(b"hidden")
    (folder / "0" / "notes.txt").write_text("no image")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_report(path: Path) -> dict[str, dict]:
    """Read a report: its lines by source, without fields that differ from run to run."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["seconds"]
    by_source = {line["source"]: line for line in lines}
    assert len(by_source) == len(lines)
    return by_source


# === Plans and refusals, without a cluster ===


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("format", [None, "same", "webp"])
@pytest.mark.parametrize("options", [PaintOptions(), PaintOptions(alternatives=2, uncertainty=True)])
def test_plan_is_that_of_the_single_machine(tmp_path, recursive, format, options):
    scans = make_scans(tmp_path / "scans", 25)
    for path in ("a.png", "a.jpg", "b.tif"):
        (scans / path).write_bytes(b"")
    output = scans / "out"  # Within the input.
    (output / "1").mkdir(parents=True)
    (output / "1" / "010.png").write_bytes(b"of an earlier run")
    jobs, _ = plan_jobs([scans], output, format, recursive, options.name_suffixes)
    plan = FolderPlan(scans, output, options, format, recursive, chunk_files=4)
    plan.check()
    chunks = list(plan.chunks())
    assert {len(chunk) for chunk in chunks[:-1]} <= {4}
    planned = [entry for chunk in chunks for entry in chunk]
    assert sorted(planned, key=lambda entry: str(entry[0].source)) == [
        (job, job.is_done) for job in sorted(jobs, key=lambda job: str(job.source))
    ]
    anew = FolderPlan(scans, output, options, format, recursive, overwrite=True)
    assert not any(is_done for chunk in anew.chunks() for _, is_done in chunk)


def test_large_files_end_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr("colorizer.batch.ray_engine._CHUNK_BYTES", 250)
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(bytes(100))
    chunks = FolderPlan(tmp_path, tmp_path / "out", PaintOptions()).chunks()
    assert [len(chunk) for chunk in chunks] == [3, 2]


def test_two_files_that_would_have_the_same_result(tmp_path):
    for name in ("a.jpg", "a.bmp", "a.jpg.bmp"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match="would both become"):
        list(FolderPlan(tmp_path, tmp_path / "out", PaintOptions()).chunks())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scans", "scans", "--output", "out", "--engine", "ray"], "takes one folder, got 2"),
        (["scans/a.png", "--output", "out", "--engine", "ray"], "takes a folder, and there is none at scans/a.png"),
        (["scans", "--output", "scans/a.png", "--engine", "ray"], "must be a folder"),
        (["scans/in", "--output", "scans", "--engine", "ray"], "contains the input folder"),
        (["scans", "--output", "scans", "--engine", "ray"], "is the input folder"),
        (["scans", "--output", "out", "--engine", "ray", "--workers", "0"], "--workers must be at least 1"),
        (
            ["scans", "--output", "out", "--engine", "ray", "--report", "scans/r.jsonl"],
            "--report scans/r.jsonl is in the input or output folder",
        ),
        (["scans", "--output", "out", "--engine", "ray", "--model", "none"], "no model 'none'"),
        (
            ["scans", "--output", "out", "--engine", "ray", "--raw"],
            "U-Net doesn't support raw output; use the autoencoder",
        ),
        (["scans", "--output", "out", "--address", "127.0.0.1:1"], "require --engine ray"),
        (["s3://bucket/a", "--output", "out"], "which only --engine ray reads"),
        (["scans", "--output", "out", "--engine", "ray", "--lossless"], "--frame and --lossless apply only to videos"),
        (["film.mp4", "--output", "out", "--engine", "ray"], "film.mp4 is a video, and the Ray engine takes only"),
        (["scans", "--output", "out", "--engine", "ray", "--recursive"], "use the local engine, or move videos to"),
    ],
)
def test_what_the_ray_engine_cannot_do_is_refused(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans" / "in").mkdir(parents=True)
    (tmp_path / "scans" / "a.png").write_bytes(encode(random_images(1)[0]))
    (tmp_path / "scans" / "in" / "film.MP4").write_bytes(b"film")
    assert main(["colorize", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_ray_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)  # Importing it fails as if it were not installed.
    assert main(["colorize", str(tmp_path), "--output", str(tmp_path / "out"), "--engine", "ray"]) == 2
    assert capsys.readouterr().err == (
        "colorizer: the Ray engine needs ray, which is not installed: pip install .[cluster]\n"
    )


def test_no_cluster_at_the_address(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(encode(random_images(1)[0]))
    address = ["--engine", "ray", "--address", f"127.0.0.1:{free_port()}"]
    assert main(["colorize", str(tmp_path), "--output", str(tmp_path / "out"), *address]) == 2
    assert "no Ray cluster answers at 127.0.0.1:" in capsys.readouterr().err


# === On a cluster ===


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Start a cluster of a head and two nodes with one core each, and object stores that they can access.

    At the end, check that nothing was sent from the machine, and that no process is left.
    """
    from ray.cluster_utils import Cluster

    folder = tmp_path_factory.mktemp("cluster")
    (folder / "sitecustomize.py").write_text(WATCH_NETWORK)
    network = folder / "network.log"
    before = set(psutil.Process().children(recursive=True))
    with (
        serve_s3("scans", folder / "s3.log") as s3,
        serve_gs("scans", folder / "gs.log") as gs,
        pytest.MonkeyPatch.context() as patch,
    ):
        path = os.pathsep.join([str(folder), str(ROOT)])
        settings = {**s3, **gs, **SETTINGS, "NETWORK_LOG": str(network), "PYTHONPATH": path}
        for name, value in settings.items():
            patch.setenv(name, value)
        size = {"object_store_memory": 200_000_000, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **size})
        assert cluster.address.startswith("127.0.0.1:")
        for _ in range(2):
            cluster.add_node(num_cpus=1, **size)
        started = set(psutil.Process().children(recursive=True)) - before
        yield cluster
        started |= set(psutil.Process().children(recursive=True)) - before
        cluster.shutdown()
    left = psutil.wait_procs(started, timeout=400)[1]
    assert [process.name() for process in left] == []
    assert not network.exists(), network.read_text()


@pytest.mark.slow
def test_results_and_report_are_those_of_the_single_machine(tmp_path, monkeypatch, capsys, cluster):
    monkeypatch.chdir(tmp_path)
    make_scans(Path("scans"), 70)
    (Path("scans") / "large.jpg").write_bytes(encode(random_images(1, 1500)[0], "JPEG", dpi=(300, 300)))
    command = ["colorize", "scans", "--recursive", "--format", "same", "--uncertainty", "--vividness", "0.7"]
    assert main([*command, "--output", "out", "--report", "run.jsonl"]) == 1
    here = contents(Path("out")), read_report(Path("run.jsonl"))
    printed = capsys.readouterr()
    Path("out").rename("single")

    command += ["--engine", "ray", "--address", cluster.address]
    assert main([*command, "--output", "out", "--report", "run.jsonl"]) == 1
    assert (contents(Path("out")), read_report(Path("run.jsonl"))) == here
    there = capsys.readouterr()
    assert there.out.endswith(printed.out)  # On a busy machine, Ray itself may have printed something before.
    assert set(printed.err.splitlines()) <= set(there.err.splitlines())

    (Path("out") / "3" / "030.png").unlink()
    (Path("out") / "3" / ".030.png.abcd_123.part").write_bytes(b"left by a kill")
    assert main([*command, "--output", "out", "--report", "run.jsonl"]) == 1
    assert contents(Path("out")) == here[0]
    assert "1 colorized, 77 skipped" in capsys.readouterr().out
    report = read_report(Path("run.jsonl"))
    assert report.keys() == here[1].keys()
    assert [source for source, line in report.items() if line["status"] == "done"] == ["scans/3/030.png"]
    later = Path("out/3/030.png").stat().st_mtime + 100
    os.utime("scans/4/040.png", (later, later))
    assert main([*command, "--output", "out", "--report", "run.jsonl"]) == 1
    done = {source: line for source, line in read_report(Path("run.jsonl")).items() if line["status"] == "done"}
    assert done.keys() == {"scans/4/040.png"}
    assert "redone" in done["scans/4/040.png"]["notes"][0]


@pytest.mark.slow
def test_what_fails_on_the_cluster_as_a_whole_is_told_in_a_line(tmp_path, capsys, cluster):
    for name in ("a.jpg", "a.bmp", "a.jpg.bmp"):
        (tmp_path / "scans" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "scans" / name).write_bytes(b"")
    command = ["colorize", str(tmp_path / "scans"), "--output", str(tmp_path / "out")]
    assert main([*command, "--engine", "ray", "--address", cluster.address]) == 2
    assert "a.jpg.png: colorize them separately" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    command = ["colorize", str(tmp_path / "empty"), "--output", str(tmp_path / "out")]
    assert main([*command, "--engine", "ray", "--address", cluster.address]) == 2
    assert "no images in" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_images_in_buckets_are_colorized(tmp_path, monkeypatch, capsys, cluster, scheme):
    monkeypatch.chdir(tmp_path)
    archive = f"{scheme}://scans/archive"
    scans = make_scans(tmp_path / "scans", 24)
    for name, content in contents(scans).items():
        put(f"{archive}/{name}", content)
    assert main(["colorize", "scans", "--recursive", "--output", "out"]) == 1
    told = capsys.readouterr().err.replace("scans/0/", f"{archive}/0/")
    command = ["colorize", archive, "--recursive", "--output", f"{archive}/color"]
    command += ["--engine", "ray", "--address", cluster.address, "--report", "run.jsonl"]
    assert main(command) == 1
    assert set(told.splitlines()) <= set(capsys.readouterr().err.splitlines())
    targets = [line["targets"] for line in read_report(Path("run.jsonl")).values() if line["status"] == "done"]
    results = {address.removeprefix(f"{archive}/color/"): fetch(address) for (address,) in targets}
    assert results == contents(tmp_path / "out")
    assert main(command) == 1
    assert f"0 colorized, {len(results)} skipped" in capsys.readouterr().out
    passed = [source for source, line in read_report(Path("run.jsonl")).items() if line["status"] == "passed over"]
    assert passed == [f"{archive}/0/notes.txt"]
    assert main([*command, "--vividness", "0.4"]) == 1
    printed = capsys.readouterr()
    assert f"{len(results)} colorized" in printed.out
    assert f"{len(results)}: redone, since" in printed.err


@pytest.mark.slow
def test_a_command_that_was_killed_is_finished_by_the_same_command(tmp_path, capsys, cluster):
    scans, out, report = make_scans(tmp_path / "scans", 150), tmp_path / "out", tmp_path / "run.jsonl"
    command = ["colorize", str(scans), "--recursive", "--output", str(out), "--report", str(report)]
    command += ["--alternatives", "2", "--engine", "ray", "--address", cluster.address]
    start = [sys.executable, "-c", "import sys; from colorizer.cli import main; sys.exit(main())"]
    run = subprocess.Popen([*start, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 400
        while not (report.exists() and report.read_text().count("\n") > 20):
            assert time.monotonic() < deadline
            assert run.poll() is None, run.stdout.read()
            time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
        run.wait(timeout=400)
    finally:
        run.kill()
    whole = {path: path.stat().st_mtime_ns for path in out.rglob("*.png") if not path.name.startswith(".")}
    assert 20 < len(whole) < 330
    assert main(command) == 1
    done = read_report(report)
    assert len(done) == 167 + 1  # Including an ignored text file.
    assert sum(line["status"] == "failed" for line in done.values()) == 2
    assert len(list(out.rglob("*"))) == 15 + 330  # Folders and results, and nothing else.
    again = [path for path, changed in whole.items() if path.stat().st_mtime_ns != changed]
    assert len(again) < len(whole) / 2


@pytest.mark.slow
def test_a_node_that_is_killed_costs_no_image(tmp_path, cluster):
    """Runs last, since the cluster then has one node less."""
    scans = make_scans(tmp_path / "scans", 100)
    options = PaintOptions(alternatives=4)
    plan = FolderPlan(scans, tmp_path / "out", options, recursive=True, chunk_files=4)
    node = cluster.list_all_nodes()[-1]
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)

    def works() -> bool:
        return any("MapWorker" in " ".join(child.cmdline()) for child in raylet.children())

    outcomes, killed_at = [], None
    for outcome in run_on_cluster(plan, "unet", address=cluster.address, workers=2):
        outcomes.append(outcome)
        if killed_at is None and len(outcomes) > 10 and works():
            cluster.remove_node(node, allow_graceful=False)
            killed_at = len(outcomes)
    assert killed_at is not None
    assert killed_at < 90
    assert len({outcome.job.source for outcome in outcomes}) == len(outcomes) == 112
    assert sorted(outcome.job.source.name for outcome in outcomes if outcome.status != "done") == [
        "broken.png",
        "empty.tif",
    ]
    results = contents(tmp_path / "out")
    assert len(results) == 4 * 110
    command = ["colorize", str(scans), "--recursive", "--alternatives", "4", "--output", str(tmp_path / "single")]
    assert main(command) == 1
    assert contents(tmp_path / "single") == results
