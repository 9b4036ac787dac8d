"""A visitor's photo and choices."""

from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, encode, random_images
from PIL import Image

from colorizer import Colorizer, save_image
from colorizer.demo.photo import PREVIEW_SIDE, Dab, Photo, draw_doubt, forget_deleted
from colorizer.imaging.color import to_luma
from colorizer.imaging.decode import MAX_PIXELS


def test_large_photo_is_kept_small_and_colorized_whole(tmp_path: Path):
    path = tmp_path / "large.png"
    image = random_images(1, 1500)[0, :900]
    save_image(image, path)
    photo = Photo.open(path, MAX_PIXELS)
    assert photo.size == (900, 1500)
    assert max(photo.preview.shape) == PREVIEW_SIDE
    colorizer = Colorizer.load("autoencoder")
    full, _ = photo.colorize_full(colorizer, MAX_PIXELS)
    np.testing.assert_array_equal(full, colorizer.colorize(image))
    preview = photo.colorize(colorizer)
    assert np.abs(preview.mean(axis=(0, 1)) - full.mean(axis=(0, 1))).max() < 2


def test_small_photo_is_exact(tmp_path: Path):
    path = tmp_path / "small.png"
    image = random_images(1, 40)[0]
    path.write_bytes(encode(image))
    photo = Photo.open(path, MAX_PIXELS)
    assert photo.has_color
    np.testing.assert_array_equal(photo.preview, image)


def test_the_tone_of_an_old_print_is_no_original(tmp_path: Path):
    gray = np.asarray(Image.open(ROOT / "samples/historic/lady.jpg").convert("L"))
    path = tmp_path / "sepia.png"
    path.write_bytes(
        encode(np.stack([np.clip(gray * 0.9 + offset, 0, 255) for offset in (25, 10, 0)], -1).astype("u1"))
    )
    assert not Photo.open(path, MAX_PIXELS).has_color
    assert Photo.open(ROOT / "samples/historic/lady.jpg", MAX_PIXELS).has_color


def test_a_photo_is_read_once_and_forgotten_with_its_file(tmp_path: Path):
    path = tmp_path / "photo.png"
    path.write_bytes(encode(random_images(1, 40)[0]))
    photo = Photo.open(path, MAX_PIXELS)
    assert Photo.open(path, MAX_PIXELS) is photo
    assert photo.change([Dab(0, 0, "#000000")]).preview is photo.preview
    assert Photo.open(path, MAX_PIXELS).dabs == ()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        Photo.open(path, MAX_PIXELS)
    path.write_bytes(encode(random_images(1, 40, seed=1)[0]))
    other = Photo.open(path, MAX_PIXELS)
    path.unlink()
    forget_deleted()
    path.write_bytes(encode(random_images(1, 40, seed=2)[0]))
    assert Photo.open(path, MAX_PIXELS) is not other


def test_dabs_are_hints_and_survive_a_model_without(tmp_path: Path):
    path = tmp_path / "photo.png"
    image = random_images(1, 64)[0, :48]
    path.write_bytes(encode(image))
    photo = Photo.open(path, MAX_PIXELS)
    place = (40.7 / 64, 9.2 / 48)
    dabbed = photo.change([Dab(*place, "#3060a0")])
    colorizer = Colorizer.load("unet")
    expected = colorizer.colorize(image, vividness=0.5, hints=[(40, 9, "#3060a0")])
    np.testing.assert_array_equal(dabbed.colorize(colorizer, vividness=0.5), expected)
    np.testing.assert_array_equal(dabbed.colorize_full(colorizer, MAX_PIXELS, vividness=0.5)[0], expected)
    autoencoder = Colorizer.load("autoencoder")
    np.testing.assert_array_equal(dabbed.colorize(autoencoder, vividness=0.5), autoencoder.colorize(image))
    assert dabbed.suggest_colors(colorizer, 0.999, 0.999, detail=96) == colorizer.suggest_colors(
        image, 63, 47, detail=96, hints=[(40, 9, "#3060a0")]
    )
    # Suggestions for a place don't depend on the dab that is there.
    assert dabbed.suggest_colors(colorizer, *place, detail=96) == photo.suggest_colors(colorizer, *place, detail=96)
    alternative, *others = dabbed.draw_alternatives(colorizer, 4, detail=96, seed=1)
    assert [alternative, *others] == colorizer.draw_alternatives(
        image, 4, detail=96, hints=[(40, 9, "#3060a0")], seed=1
    )
    again = colorizer.colorize(image, hints=[(40, 9, "#3060a0")], alternative=alternative, vividness=0.5)
    chosen = photo.change(dabbed.dabs, alternative)
    np.testing.assert_array_equal(chosen.colorize(colorizer, vividness=0.5), again)


def test_doubt_is_brighter_where_it_is_greater():
    doubt = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (20, 1))
    drawn = draw_doubt(np.full((20, 50, 4), 100, np.uint8), doubt)
    assert drawn.shape == (20, 50, 3)
    assert (np.diff(to_luma(drawn)[0].astype(int)) >= 0).all()


@pytest.mark.parametrize("color", ["red", "#12", "rgb(1, 2)", "url(x)", "#30609g"])
def test_invalid_dab_colors_are_refused(color: str):
    with pytest.raises(ValueError, match="color must be #RRGGBB"):
        Dab(0.5, 0.5, color)


@pytest.mark.parametrize("place", [(1, 0.5), (0.5, -0.1), (float("nan"), 0.5), (0.5, float("inf"))])
def test_places_beyond_the_photo_are_refused(place: tuple[float, float]):
    with pytest.raises(ValueError, match="a dab's x and y must be at least 0 and less than 1"):
        Dab(*place, "#000000")


def test_dabs_are_limited(tmp_path: Path):
    path = tmp_path / "one.png"
    path.write_bytes(encode(random_images(1, 8)[0]))
    photo = Photo.open(path, MAX_PIXELS)
    with pytest.raises(ValueError, match="can have 200 dabs"):
        photo.change([Dab(0.5, 0.5, "#000000")] * 201)
