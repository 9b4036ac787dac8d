"""The U-Net in use, with the weights of the project."""

import json
import shutil

import cv2
import keras
import numpy as np
import pytest
from conftest import ROOT, random_images

from colorizer import Colorizer, ModelError
from colorizer.imaging.color import to_chroma, to_luma
from colorizer.imaging.decode import decode_image
from colorizer.inference.unet import UNetPainter

CAT = ROOT / "samples/cifar10/00_cat.png"
PHOTO = ROOT / "samples/photos/cat.jpg"


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load("unet")


def chroma_at(image: np.ndarray, x: int, y: int) -> np.ndarray:
    return to_chroma(image[y, x])


def luma_kept(result: np.ndarray, image: np.ndarray) -> float:
    """Compute the fraction of pixels whose luma is the image's within 2 levels."""
    return float((np.abs(to_luma(result).astype(int) - to_luma(image)) <= 2).mean())


def test_weights_load_by_keras_alone_and_are_small():
    path = ROOT / "checkpoints/unet/model.keras"
    assert path.stat().st_size < 10_000_000
    model = keras.models.load_model(path, compile=False, safe_mode=True)
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (31, 33), (32, 32), (97, 64), (301, 257)])
def test_any_size_keeps_size_and_luma(colorizer, size):
    image = cv2.resize(random_images(1, 64)[0], size[::-1])
    result = colorizer.colorize(image)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    assert luma_kept(result, image) >= 0.98
    uncertainty = colorizer.uncertainty(image)
    assert (uncertainty.shape, uncertainty.dtype) == (size, np.float32)
    assert 0 <= uncertainty.min() <= uncertainty.max() <= 1


def test_batch_of_many_sizes_equals_one_by_one(colorizer):
    images = [*random_images(70, 32), *random_images(2, 50), *random_images(1, 32, seed=1)]
    batch = colorizer.colorize_batch(images)
    for i in (0, 69, 70, 71, 72):
        assert np.abs(batch[i].astype(int) - colorizer.colorize(images[i])).max() <= 1


def test_vividness_adds_color(colorizer):
    results = [colorizer.colorize(PHOTO, vividness=v) for v in (0, 0.5, 1)]
    strengths = [np.abs(to_chroma(result)).mean() for result in results]
    assert strengths[0] < strengths[1] < strengths[2]
    assert min(luma_kept(result, decode_image(PHOTO)) for result in results) >= 0.98


@pytest.mark.parametrize("color", ["#c06060", "#4060a0", (90, 140, 90)])
def test_hint_is_met_and_spreads(colorizer, color):
    image = decode_image(PHOTO)
    wanted = to_chroma(np.array(list(bytes.fromhex(color[1:])) if isinstance(color, str) else color, np.uint8))
    x, y = image.shape[1] // 2, image.shape[0] // 2
    plain = colorizer.colorize(image)
    hinted = colorizer.colorize(image, hints=[(x, y, color)])
    assert np.abs(chroma_at(hinted, x, y) - wanted).max() < 0.04
    side = image.shape[1] // 16
    around = (slice(y - side, y + side), slice(x - side, x + side))
    distance = [np.abs(to_chroma(picture[around]) - wanted).mean() for picture in (plain, hinted)]
    assert distance[1] < 0.75 * distance[0]


def test_hints_between_pixels_and_in_one_cell(colorizer):
    """Fractions are rounded down to a pixel; two colors in a cell of the chroma grid are averaged, in any order."""
    exact, between = (colorizer.colorize(CAT, hints=[(x, 31, "#c06060")]) for x in (31, 31.9))
    np.testing.assert_array_equal(between, exact)
    hints = [(10, 10, "#ff0000"), (11, 11, "#0000ff")]
    one, other = (colorizer.colorize(CAT, hints=order) for order in (hints, hints[::-1]))
    np.testing.assert_array_equal(one, other)


def test_hints_of_two_colors_side_by_side_make_no_third(colorizer):
    cells, colors = 128 // 2, ("#c03030", "#3030c0")
    image = decode_image(PHOTO)
    step = image.shape[1] / cells
    hints = [(int((28.5 + i) * step), int((20.5 + j) * step), colors[i >= 4]) for i in range(8) for j in range(6)]
    plain, hinted = (to_chroma(colorizer.colorize(image, hints=given)) for given in ((), hints))
    wanted = to_chroma(np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8))
    for plane in range(2):
        low, high = (
            min(plain[..., plane].min(), wanted[:, plane].min()),
            max(plain[..., plane].max(), wanted[:, plane].max()),
        )
        assert hinted[..., plane].min() > low - 0.2
        assert hinted[..., plane].max() < high + 0.2  # The guided filter oversteps where textures meet such an edge.
    x, y, _ = hints[9]
    assert np.abs(hinted[y, x] - wanted[0]).max() < 0.06


def test_alternatives_differ_and_follow_from_the_seed(colorizer):
    first, second = colorizer.colorize_alternatives(PHOTO, 2, seed=3)
    again = colorizer.colorize_alternatives(PHOTO, 2, seed=3)
    assert np.array_equal(first, again[0])
    assert np.array_equal(second, again[1])
    assert np.abs(to_chroma(first) - to_chroma(second)).mean() > 0.005
    assert min(luma_kept(result, decode_image(PHOTO)) for result in (first, second)) >= 0.98


def test_drawn_alternative_is_the_same_one(colorizer):
    several = colorizer.colorize_alternatives(PHOTO, 3, seed=3)
    drawn = colorizer.draw_alternatives(PHOTO, 3, seed=3)
    for result, alternative in zip(several, drawn, strict=True):
        again = colorizer.colorize(PHOTO, alternative=alternative)
        assert np.abs(result.astype(int) - again).max() <= 1
    hinted = colorizer.colorize(PHOTO, alternative=drawn[0], vividness=0.5, detail=64, hints=[(225, 60, "#3a6b35")])
    assert np.abs(chroma_at(hinted, 225, 60) - to_chroma(np.array([0x3A, 0x6B, 0x35], np.uint8))).max() < 0.04


class TwoColors:
    """A network with gray, red and blue, for which a color is more likely the more hints have it."""

    network = "unet"
    size = (0, 0)
    bins = np.array([[0, 0], [-0.1, 0.2], [0.2, -0.1]], np.float32)

    @staticmethod
    def predict(hints: np.ndarray) -> np.ndarray:
        reds, blues = (float((hints[..., 2] * (hints[..., i] > 0)).sum()) for i in (1, 0))
        weights = np.array([1, 2 + 3 * reds, 3 + 3 * blues], np.float32)
        return weights / weights.sum()

    def __call__(self, luma: np.ndarray, hints: np.ndarray, *weights: np.ndarray, one_core: bool = False) -> np.ndarray:
        probabilities = np.stack([np.broadcast_to(self.predict(each), (*each.shape[:2], 3)) for each in hints])
        return probabilities @ weights[0].T if weights else np.log(probabilities)


@pytest.mark.parametrize("hints", [[], [(15, 15, "#c03030"), (11, 15, "#c03030")]])
def test_alternatives_come_the_likeliest_first(hints):
    """By all drawn colors, each with its probability given the hints and the earlier ones."""
    config = {
        "input": {"multiple": 2, "working_size": 16, "mirrored_size": 0},
        "output": {"bins": TwoColors.bins.tolist(), "prior": [1 / 3] * 3, "vivid_exponent": 0},
    }
    colorizer = Colorizer(UNetPainter(TwoColors(), config))
    image = random_images(1, 16)[0]
    given = np.zeros((8, 8, 3), np.float32)
    for x, y, color in hints:
        given[y // 2, x // 2] = *to_chroma(np.array(list(bytes.fromhex(color[1:])), np.uint8)), 1

    def measure(alternative) -> float:
        plane, likelihood = given.copy(), 1.0
        for color in alternative:
            distances = np.abs(TwoColors.bins - color.chroma).sum(axis=1)
            likelihood *= TwoColors.predict(plane)[distances.argmin()]
            plane[int(color.y * 8), int(color.x * 8)] = *color.chroma, 1
        return likelihood

    alternatives = colorizer.draw_alternatives(image, 12, hints=hints, seed=1)
    likelihoods = [measure(alternative) for alternative in alternatives]
    assert len({round(likelihood, 6) for likelihood in likelihoods}) > 4
    np.testing.assert_allclose(likelihoods, sorted(likelihoods, reverse=True), rtol=1e-4)
    first = alternatives[0][0].chroma  # The hints decide which color is likelier.
    assert np.allclose(first, TwoColors.bins[1 if hints else 2])
    painted = colorizer.colorize_alternatives(image, 12, hints=hints, seed=1)
    again = [colorizer.colorize(image, hints=hints, alternative=alternative) for alternative in alternatives]
    np.testing.assert_array_equal(painted, again)


def test_noise_and_gain_of_the_record_grow_with_vividness():
    """Those of a record without them are 0 and 1."""
    image = random_images(1, 16)[0]

    def predict(vividness: float, **output: object) -> np.ndarray:
        config = {
            "input": {"multiple": 2, "working_size": 16, "mirrored_size": 0},
            "output": {"bins": TwoColors.bins.tolist(), "prior": [1 / 3] * 3, "vivid_exponent": 1} | output,
        }
        painter = UNetPainter(TwoColors(), config)
        return next(painter.predict_chroma([to_luma(image)], vividness=vividness, detail=None))[0, 0]

    mean = np.array([2 / 6 * -0.1 + 3 / 6 * 0.2, 2 / 6 * 0.2 + 3 / 6 * -0.1])
    power = (mean**2).sum()
    for vividness, noise, gain in ((0, 0, 1), (0.5, 0.03, 1.5), (1, 0.06, 2)):
        assert predict(vividness) == pytest.approx(mean, abs=1e-6)
        expected = mean * gain * power / (power + noise**2)
        assert predict(vividness, vivid_noise=0.06, vivid_gain=2) == pytest.approx(expected, abs=1e-6)


def test_palette_has_different_colors_of_the_pixels_luma(colorizer):
    image = decode_image(PHOTO)
    palette = colorizer.suggest_colors(image, 225, 150, count=5)
    colors = np.array([list(bytes.fromhex(color[1:])) for color in palette], np.uint8)
    assert len(set(palette)) == 5
    assert np.abs(to_luma(colors[None])[0].astype(int) - to_luma(image)[150, 225]).max() <= 2
    # A hint's color is the most likely one at its place.
    hint = (225, 150, "#3060a0")
    wanted = to_chroma(np.array([0x30, 0x60, 0xA0], np.uint8))
    first = colorizer.suggest_colors(image, 225, 150, hints=[hint])[0]
    assert np.abs(to_chroma(np.array(list(bytes.fromhex(first[1:])), np.uint8)) - wanted).max() < 0.1


def test_suggested_colors_have_the_pixels_luma_on_any_gray(colorizer):
    for level in (0, 3, 20, 128, 240, 255):
        colors = colorizer.suggest_colors(np.full((16, 16), level, np.uint8), 8, 8)
        rgb = np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)
        assert np.abs(to_luma(rgb[None])[0].astype(int) - level).max() <= 1
        assert len(colors) == {0: 1, 255: 1, 128: 6}.get(level, len(colors)) <= 6


def test_hints_make_the_colors_certain_where_they_lie(colorizer):
    x, y = 225, 150
    hints = [(x + i, y + j, "#3060a0") for i in (-12, 0, 12) for j in (-12, 0, 12)]
    free, hinted = colorizer.uncertainty(PHOTO), colorizer.uncertainty(PHOTO, hints=hints)
    assert hinted[y, x] < 0.95 * free[y, x]


def test_palette_at_the_border_and_beyond(colorizer):
    assert len(colorizer.suggest_colors(np.full((20, 30), 128, np.uint8), 29, 19)) == 6
    with pytest.raises(ValueError, match="outside the image, which is 30 wide and 20 high"):
        colorizer.suggest_colors(np.zeros((20, 30), np.uint8), 30, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"raw": True}, "the U-Net doesn't support raw output; use the autoencoder"),
        ({"vividness": 1.5}, r"vividness must lie in \[0, 1\], got 1.5"),
        ({"detail": 0}, "detail must be at least 2"),
        ({"hints": [(32, 0, "#ffffff")]}, "outside the image, which is 32 wide and 32 high"),
        ({"hints": [(0, 0, "red")]}, "#RRGGBB"),
        ({"hints": [(0, 0, (1, 2, 300))]}, "from 0 to 255"),
    ],
)
def test_invalid_options_are_refused(colorizer, options, words):
    with pytest.raises(ValueError, match=words):
        colorizer.colorize(CAT, **options)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(colorizer, count):
    for ask in (colorizer.colorize_alternatives, colorizer.draw_alternatives):
        with pytest.raises(ValueError, match=f"count must be at least 1, got {count}"):
            ask(CAT, count)
    with pytest.raises(ValueError, match=f"count must be at least 1, got {count}"):
        colorizer.suggest_colors(CAT, 0, 0, count=count)


def test_autoencoder_rejects_unet_features():
    autoencoder = Colorizer.load("autoencoder")
    for ask in (
        autoencoder.uncertainty,
        lambda image: autoencoder.colorize(image, hints=[(0, 0, "#ffffff")]),
        lambda image: autoencoder.colorize_alternatives(image, 2),
        lambda image: autoencoder.suggest_colors(image, 0, 0),
        lambda image: autoencoder.draw_alternatives(image, 2),
    ):
        with pytest.raises(ValueError, match="use the U-Net"):
            ask(CAT)


def test_weights_without_their_record_are_refused(tmp_path):
    shutil.copy(ROOT / "checkpoints/unet/model.keras", tmp_path)
    with pytest.raises(ModelError, match=r"config\.json.*can't be used"):
        Colorizer.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model": "unet"}))
    with pytest.raises(ModelError, match=r"config\.json.*can't be used"):
        Colorizer.load(tmp_path)
