"""The card's figures are those of the records, also of older ones that know fewer."""

import json
import shutil
from pathlib import Path

from conftest import ROOT

from colorizer.publish.model_card import plan_model


def test_a_figure_that_a_record_lacks_is_a_dash(tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "checkpoints/autoencoder", folder)
    for path in folder.glob("metrics*.json"):
        if path.name != "metrics.json":
            path.unlink()
    record = json.loads((folder / "metrics.json").read_text())
    for figures in (record, record["raw"], record["gray_baseline"]):
        figures |= {"auc": 91.25, "psnr_gain": None}
        figures.pop("delta_e")
    (folder / "metrics.json").write_text(json.dumps(record))
    card = bytes(plan_model("ada/model", str(folder)).files["README.md"]).decode()
    head, *rows = (line.split("|") for line in card.splitlines() if line.startswith("| "))
    assert len(rows) == 3
    columns = {name.strip(): place for place, name in enumerate(head)}
    for row in rows:
        cells = [cell.strip() for cell in row]
        assert cells[columns["auc"]] == "91.250"
        assert cells[columns["psnr_gain"]] == cells[columns["delta_e"]] == "–"
        assert float(cells[columns["relative_mse"]]) > 0.5
    measured = {line.split()[-1] for line in card.splitlines() if line.strip().startswith(("type: ", "- type: "))}
    assert {"auc", "relative_mse"} <= measured
    assert not {"psnr_gain", "delta_e"} & measured
