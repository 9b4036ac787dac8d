"""Training of the U-Net, on a handful of random images."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from colorizer.data.dataset import ImageDataset
from colorizer.data.sources import load_dataset
from colorizer.imaging.color import FROM_CHROMA
from colorizer.inference.chroma_bins import build_bins
from colorizer.training.config import TrainConfig
from colorizer.training.fit import fit
from colorizer.training.resume import Resume
from colorizer.training.unet import ErrorLeft, UNetRecipe


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """Options of a training of seconds."""
    rng = np.random.default_rng(0)
    for side, kinds in ((32, ("cat", "ship")), (48, ("tree",))):
        for kind in kinds:
            folder = tmp_path / f"images{side}" / kind
            folder.mkdir(parents=True)
            for i in range(8):
                Image.fromarray(rng.integers(256, size=(side, side, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return TrainConfig(
        model="unet",
        data=(str(tmp_path / "images32"), str(tmp_path / "images48")),
        output=str(tmp_path / "out"),
        epochs=3,
        steps_per_epoch=2,
        batch_size=4,
        widths=(8,),
        sizes=(32, 48),
        validation=0.25,
        precision="float32",
        dropout=0.5,
    )


@pytest.mark.slow
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
    models = [keras.models.load_model(folder / "model.keras", compile=False) for folder in (whole, resumed)]
    for expected, actual in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.slow
def test_training_goes_on_from_published_weights_and_without_classes(config, tmp_path):
    """Folders without folders of classes have no labels; weights are taken over all the same."""
    start = fit(replace(config, epochs=1))
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(sorted((tmp_path / "images48").rglob("*.png"))):
        path.rename(flat / f"{i}.png")
    options = {"data": (str(flat),), "init": str(start / "model.keras"), "learning_rate": 1e-12, "epochs": 1}
    further = fit(replace(config, output=str(tmp_path / "further"), **options))
    before, after = (
        [variable.numpy() for variable in keras.models.load_model(f / "model.keras", compile=False).trainable_variables]
        for f in (start, further)
    )
    for expected, actual in zip(before, after, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert "val_relative_mse" in (further / "history.csv").read_text()


def test_classes_of_validation_count_and_the_prior_is_of_all_classes(config, tmp_path, monkeypatch):
    """Folders of classes hold one class after the other."""
    for kind, color in (("red", (220, 40, 40)), ("blue", (40, 40, 220))):
        folder = tmp_path / "colors" / kind
        folder.mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (45, 45), color).save(folder / f"{i}.png")
    dataset = load_dataset(str(tmp_path / "colors"), "train")
    monkeypatch.setattr("colorizer.training.unet._PRIOR_IMAGES", 4)
    parts: list[ImageDataset] = [dataset.take(np.arange(start, 16, 2)) for start in range(2)]
    recipe = UNetRecipe(config, [(parts[0], parts[1])])
    recipe.load_images()
    prior = np.array(recipe.record()["output"]["prior"])
    assert (prior > 0.1).sum() >= 2

    blue_only, both = dataset.take(np.arange(8)), dataset.take(np.arange(4, 12))
    assert UNetRecipe(config, [(blue_only, both)]).build().output["label"].shape[1] == 2


def test_each_image_counts_the_same_in_the_relative_mse():
    bins = build_bins()
    metric = ErrorLeft(bins)
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
    left, gray = np.mean(errors, axis=0)
    assert float(metric.result()) == pytest.approx(left / gray, rel=1e-4)
