"""Blind pairs: only the key shows which model is which."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import encode, random_images

from benchmarks import sheet
from colorizer import decode_image


def test_which_model_is_a_is_drawn_for_each_row():
    key = sheet.draw_key(("old", "new"), 200, 0)
    assert key == sheet.draw_key(("old", "new"), 200, 0) != sheet.draw_key(("old", "new"), 200, 1)
    assert all(set(row.values()) == {"old", "new"} for row in key)
    assert 60 < sum(row["A"] == "old" for row in key) < 140


def test_votes_are_counted_by_model():
    key = [{"A": "old", "B": "new"}, {"A": "new", "B": "old"}, {"A": "old", "B": "new"}]
    assert sheet.count_votes("1 B\n2 A\n\n3 =\n", key) == {"new": 2, "neither": 1}
    for wrong in ("4 A", "0 A", "A", "1 A\n1 B"):
        with pytest.raises(ValueError, match="a number from 1 to 3, each once"):
            sheet.count_votes(wrong, key)


def test_sheets_and_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    folder, output = tmp_path / "photos", tmp_path / "sheets"
    folder.mkdir()
    for i, image in enumerate(random_images(3, 48)):
        (folder / f"{i}.png").write_bytes(encode(image[: 20 + 8 * i]))
    command = ["sheet.py", "unet", "autoencoder", str(folder), "--output", str(output), "--rows", "2", "--size", "40"]
    monkeypatch.setattr(sys, "argv", command)
    sheet.main()
    assert sorted(path.name for path in output.iterdir()) == ["key.json", "sheet-01.png", "sheet-02.png"]
    assert len(json.loads((output / "key.json").read_text())["rows"]) == 3
    drawn = decode_image(output / "sheet-02.png")
    assert np.ptp(drawn, axis=-1).any()
    (tmp_path / "judged.txt").write_text("1 A\n2 A\n3 A\n")
    monkeypatch.setattr(sys, "argv", [*command, "--judged", str(tmp_path / "judged.txt")])
    capsys.readouterr()
    sheet.main()
    votes = capsys.readouterr().out
    assert "unet" in votes or "autoencoder" in votes
