"""The U-Net with random weights."""

import keras
import numpy as np
import pytest

from colorizer.models.unet import MULTIPLE, STRIDE, build_unet


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_unet(7, (8, 8, 8, 8))


def planes(height: int, width: int) -> dict[str, np.ndarray]:
    luma = np.random.default_rng(0).random((2, height, width, 1), np.float32)
    return {"luma": luma, "hints": np.zeros((2, height // STRIDE, width // STRIDE, 3), np.float32)}


def test_any_multiple_goes_in_and_a_quarter_comes_out(model):
    assert model(planes(2 * MULTIPLE, 3 * MULTIPLE))["chroma"].shape == (2, 16, 24, 7)


def test_hints_enter_the_encoder_and_the_decoder_and_change_nothing_at_first(model):
    given = planes(MULTIPLE, MULTIPLE)
    plain = np.asarray(model(given)["chroma"])
    hinted = {**given, "hints": given["hints"].copy()}
    hinted["hints"][:, 3, 4] = (0.3, -0.2, 1)
    assert np.array_equal(np.asarray(model(hinted)["chroma"]), plain)
    for name in ("encoder_hints", "decoder_hints"):
        layer = model.get_layer(name)
        before = layer.get_weights()
        layer.set_weights([np.full_like(before[0], 0.1)])
        assert not np.array_equal(np.asarray(model(hinted)["chroma"]), plain)
        assert np.array_equal(np.asarray(model(given)["chroma"]), plain)
        layer.set_weights(before)


def test_stochastic_depth_leaves_out_blocks_in_training_alone(model):
    dropping = build_unet(7, (8, 8, 8, 8), dropout=0, drop_path=0.9)
    dropping.set_weights(model.get_weights())
    given = planes(2 * MULTIPLE, 2 * MULTIPLE)
    plain = np.asarray(model(given)["chroma"])
    assert np.array_equal(np.asarray(dropping(given)["chroma"]), plain)
    trained = np.asarray(dropping(given, training=True)["chroma"])
    assert not np.allclose(trained, plain)
    assert not np.allclose(trained[0] - plain[0], trained[1] - plain[1])  # Each image has its own blocks.


@pytest.mark.parametrize("widths", [(), (8, 0, 8, 8), (4,) * 5])
def test_senseless_widths_are_refused(widths):
    with pytest.raises(ValueError, match="widths"):
        build_unet(7, widths)


@pytest.mark.slow
def test_it_loads_by_keras_alone(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    given = planes(MULTIPLE, MULTIPLE)
    np.testing.assert_array_equal(np.asarray(loaded(given)["chroma"]), np.asarray(model(given)["chroma"]))
