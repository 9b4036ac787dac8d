"""The table of a network's layers, and its drawing."""

import csv
import json

import numpy as np
import pytest
from conftest import ROOT

from colorizer.demo.drawings import draw_curves, draw_layers, draw_vector, group_layers, group_scales
from colorizer.models.autoencoder import build_autoencoder
from colorizer.models.layer_table import list_layers
from colorizer.models.unet import STRIDE, build_unet


def test_list_layers_of_an_autoencoder():
    model = build_autoencoder(16, 8, (4, 6))
    rows = list_layers(model)
    assert [row["part"] for row in rows] == ["encoder"] * 4 + ["decoder"] * 5
    assert rows[0] == {"part": "encoder", "name": "conv1", "type": "Conv2D", "shape": [8, 8, 4], "parameters": 40}
    assert rows[3]["shape"] == [8]
    assert rows[-1]["shape"] == [16, 16, 3]
    assert sum(row["parameters"] for row in rows) == model.count_params()
    json.dumps(rows)


def test_a_unet_of_any_size():
    model = build_unet(7, (4, 8, 8, 8))
    rows = list_layers(model, STRIDE)
    assert sum(row["parameters"] for row in rows) == model.count_params()
    assert rows[-1]["shape"] == [16, 16, 7]
    assert all(None not in row["shape"] for row in rows)
    stages = group_layers(rows)
    assert sum(len(stage.layers) for stage in stages) == len(rows)
    assert sum(stage.parameters for stage in stages) == model.count_params()
    assert any(stage.shape == (8, 8, 8) and "Conv2D" in stage.kinds for stage in stages)
    scales = group_scales(rows)
    assert [stage.shape[0] for stage in scales] == [64, 32, 16, 8, 4, 2, 4, 8, 16], "down and up again"
    assert [stage.part for stage in scales] == [""] * 6 + ["decoder"] * 3


@pytest.mark.parametrize("model", ["autoencoder", "unet"])
def test_the_record_of_the_committed_weights(model: str):
    config = json.loads((ROOT / "checkpoints" / model / "config.json").read_text())
    if "layers" not in config:
        pytest.skip(f"the record of {model} is older than the table; `colorizer export --model {model}` adds it")
    assert sum(row["parameters"] for row in config["layers"]) == config["parameters"]


def test_drawings_say_what_they_show():
    rows = [{"name": "<b>", "type": "Conv2D", "shape": [4, 4, 8], "parameters": 1234}]
    drawn = draw_layers(rows)
    assert "<td>&lt;b&gt;</td>" in drawn
    assert "4 × 4 × 8" in drawn
    assert "1,234 parameters" in drawn
    with (ROOT / "checkpoints/autoencoder/history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    curves = draw_curves(history, 28)
    assert f"validation from {float(history[0]['val_loss']):.3g} to {float(history[-1]['val_loss']):.3g}" in curves
    assert "epoch 28 were kept" in curves
    assert draw_curves(history[:1], None).count("<polyline") == 2
    bars = draw_vector(np.array([-2, 0, 1], np.float32))
    assert bars.count("<rect") == 3
    assert "3 numbers from -2.0 to 1.0" in bars
    assert "nan" not in draw_vector(np.zeros(4, np.float32))
