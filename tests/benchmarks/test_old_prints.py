"""The benchmark of prepared prints covers aged copies and photographs that are not old."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from benchmarks.prints import main, summarize
from colorizer.imaging.aging import VERSIONS


def test_summary_divides_summed_errors():
    record = summarize([(False, [1.0, 0.9, 0.9]), (True, [3.0, 3.1, 1.5])])
    assert (record["copies"], record["changed"]) == (2, 1)
    assert record["relative MSE without, all"] == 1
    assert record["relative MSE with, all"] == 0.6
    assert record["relative MSE with, changed"] == 0.5
    assert summarize([(False, [1.0, 1.0, 1.0])])["relative MSE with, changed"] is None


def test_benchmark_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, output = tmp_path / "photos", tmp_path / "prints.json"
    folder.mkdir()
    for name in ("cat", "coffee"):
        shutil.copy(ROOT / f"samples/photos/{name}.jpg", folder)
    monkeypatch.setattr(sys, "argv", ["prints.py", str(folder), "--limit", "1", "--output", str(output)])
    main()
    record = json.loads(output.read_text())
    assert (record["photographs"], record["photographs changed"]) == (1, 0)
    assert record["aged copies"].keys() == {*VERSIONS, "generator"}
    framed = record["aged copies"]["jpeg-border"]
    assert framed["changed"] == 1
    assert np.isfinite([framed["relative MSE without, all"], framed["relative MSE with, all"]]).all()
    assert framed["relative MSE without, all"] != framed["relative MSE with, all"]
