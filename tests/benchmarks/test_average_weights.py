"""The mean of several weights of one network."""

import json

import keras
import numpy as np

from benchmarks.average_weights import average
from colorizer.files import sha256
from colorizer.models.unet import build_unet


def test_the_mean_is_written_with_the_record_of_the_run(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other.weights.h5"
    run.mkdir()
    first, second = build_unet(7, (4, 4, 4, 4)), build_unet(7, (4, 4, 4, 4))
    first.save(run / "model.keras")
    second.save_weights(other)
    (run / "config.json").write_text(json.dumps({"model": "unet", "export": {}}))
    average(run, [other], tmp_path / "mean")
    record = json.loads((tmp_path / "mean/config.json").read_text())
    assert record["model"] == "unet"
    assert "export" not in record
    assert record["averaged"] == [sha256(path.read_bytes()) for path in (run / "model.keras", other)]
    assert record["model_sha256"] == sha256((tmp_path / "mean/model.keras").read_bytes())
    mean = keras.models.load_model(tmp_path / "mean/model.keras", compile=False).get_weights()
    for result, a, b in zip(mean, first.get_weights(), second.get_weights(), strict=True):
        assert np.allclose(result, (a + b) / 2, atol=0.01 * max(np.abs(a).max(), np.abs(b).max()) + 1e-6)
