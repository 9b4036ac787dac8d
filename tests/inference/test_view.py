"""The network sees a print without its paper border; hints and colors keep their positions."""

import numpy as np
import pytest
from conftest import ROOT

from colorizer import Colorizer, decode_image
from colorizer.imaging.aging import age_as
from colorizer.imaging.color import fit_within, to_chroma, to_luma
from colorizer.inference.hints import Hint
from colorizer.inference.view import View


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load()


@pytest.fixture(scope="module")
def print_of() -> np.ndarray:
    """A scan of a cat's portrait with a paper border."""
    gray, _ = age_as(fit_within(decode_image(ROOT / "samples/photos/cat.jpg"), 256), "jpeg-border")
    return np.repeat(gray[..., None], 3, axis=-1)


def test_hints_and_chroma_keep_their_places(print_of: np.ndarray):
    view = View.of(print_of[..., 0], prepare=True)
    assert view.luma.shape < view.shape
    hints = (Hint(0.25, 0.5, (0.1, 0.2)), Hint(0.7, 0.3, (0, 0)))
    for hint, back in zip(hints, view.from_view(view.to_view(hints)), strict=True):
        assert (back.x, back.y) == pytest.approx((hint.x, hint.y))
    assert view.to_view([Hint(0.01, 0.5, (0, 0))]) == ()  # On the paper.
    # A ramp in the view is the same ramp in the picture.
    columns = (np.arange(64, dtype=np.float32) + 0.5) / 64
    wide = view.pad_to_image(np.dstack([np.tile(columns, (48, 1))] * 2))
    left, right = view.window[1].start, view.window[1].stop
    places = (np.arange(wide.shape[1]) + 0.5) * view.shape[1] / wide.shape[1]
    inside = (places > left + 4) & (places < right - 4)
    expected = (places[inside] - left) / (right - left)
    np.testing.assert_allclose(wide[wide.shape[0] // 2, inside, 0], expected, atol=0.01)
    assert not wide[0].any()
    assert not wide[:, -1].any()


def test_a_border_changes_no_colors(colorizer: Colorizer, print_of: np.ndarray):
    view = View.of(print_of[..., 0], prepare=True)
    alone = colorizer.colorize(np.ascontiguousarray(print_of[view.window]))
    framed = colorizer.colorize(print_of)
    inside = tuple(slice(part.start + 6, part.stop - 6) for part in view.window)
    middle = framed[inside].astype(int) - alone[6:-6, 6:-6]
    assert np.abs(middle).mean() < 2
    assert np.abs(to_chroma(framed)[:8]).max() < 0.02  # Paper has no color.
    assert (np.abs(to_luma(framed).astype(int) - print_of[..., 0]) <= 2).mean() > 0.98  # The luma is the scan's.
    as_it_is = colorizer.colorize(print_of, prepare=False)
    assert np.abs(as_it_is[inside].astype(int) - alone[6:-6, 6:-6]).mean() > 2 * np.abs(middle).mean()


def test_pale_contrast_changes_colors_but_not_luma(colorizer: Colorizer):
    faded, _ = age_as(fit_within(decode_image(ROOT / "samples/historic/lady.jpg"), 256), "faded")
    scan = np.repeat(faded[..., None], 3, axis=-1)
    prepared, plain = colorizer.colorize(scan), colorizer.colorize(scan, prepare=False)
    assert not np.array_equal(prepared, plain)
    assert (np.abs(to_luma(prepared).astype(int) - faded) <= 2).mean() > 0.98


def test_hints_and_versions_of_a_print(colorizer: Colorizer, print_of: np.ndarray):
    height, width = print_of.shape[:2]
    x, y = width // 2, height // 2
    on_paper = (2, 2, "#ff0000")
    result = colorizer.colorize(print_of, hints=[(x, y, "#3060a0"), on_paper])
    wanted = to_chroma(np.array([0x30, 0x60, 0xA0], np.uint8))
    assert np.abs(to_chroma(result[y - 1 : y + 2, x - 1 : x + 2]).mean(axis=(0, 1)) - wanted).max() < 0.06
    assert np.abs(to_chroma(result[:6, :6])).max() < 0.02
    [drawn] = colorizer.draw_alternatives(print_of, 1)
    view = View.of(print_of[..., 0], prepare=True)
    assert len(view.to_view(drawn)) == len(drawn)  # None of its colors is on the paper.
    [version] = colorizer.colorize_alternatives(print_of, 1)
    np.testing.assert_array_equal(version, colorizer.colorize(print_of, alternative=drawn))


def test_suggestions_and_uncertainty_are_of_what_is_colorized(colorizer: Colorizer, print_of: np.ndarray):
    view = View.of(print_of[..., 0], prepare=True)
    (top, left), (height, width) = (part.start for part in view.window), view.luma.shape
    alone = np.ascontiguousarray(view.luma)
    x, y = width // 2, height // 2
    assert colorizer.suggest_colors(print_of, left + x, top + y)[0] == colorizer.suggest_colors(alone, x, y)[0]
    assert colorizer.suggest_colors(print_of, 1, 1) == colorizer.suggest_colors(print_of, 1, 1, prepare=False)
    whole, seen = colorizer.uncertainty(print_of), colorizer.uncertainty(alone)
    assert whole.shape == print_of.shape[:2]
    assert not whole[:6].any()  # Paper.
    as_it_is = colorizer.uncertainty(print_of, prepare=False)
    error, without = (np.abs(plane[view.window] - seen)[6:-6, 6:-6].mean() for plane in (whole, as_it_is))
    assert error < 0.5 * without


def test_photographs_and_thumbnails_are_as_they_were(colorizer: Colorizer):
    for name in ("photos/coffee.jpg", "cifar10/00_cat.png"):
        image = decode_image(ROOT / "samples" / name)
        np.testing.assert_array_equal(colorizer.colorize(image), colorizer.colorize(image, prepare=False))
