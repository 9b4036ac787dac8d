"""A photo that a person colorizes."""

from pathlib import Path

import numpy as np
import pytest
from conftest import encode, random_images

from colorizer import Colorizer, save_image
from colorizer.demo.photo import PREVIEW_SIDE, Dab, Photo, color_at, draw_dabs, draw_doubt, to_hex
from colorizer.imaging.color import to_luma
from colorizer.imaging.decode import MAX_PIXELS


def test_large_photo_is_kept_small_and_colorized_whole(tmp_path: Path):
    path = tmp_path / "large.png"
    image = random_images(1, 1500)[0, :900]
    save_image(image, path)
    photo = Photo.open(path, MAX_PIXELS)
    assert photo.size == (1500, 900)
    assert max(photo.preview.shape) == PREVIEW_SIDE
    colorizer = Colorizer.load("autoencoder")
    full, _ = photo.colorize_full(colorizer, 0.3, 96, MAX_PIXELS)
    np.testing.assert_array_equal(full, colorizer.colorize(image))
    preview = photo.colorize(colorizer, 0.3, 96)
    assert np.abs(preview.mean(axis=(0, 1)) - full.mean(axis=(0, 1))).max() < 2


def test_small_photo_is_exact(tmp_path: Path):
    path = tmp_path / "small.png"
    image = random_images(1, 40)[0]
    path.write_bytes(encode(image))
    photo = Photo.open(path, MAX_PIXELS)
    assert photo.has_color
    np.testing.assert_array_equal(photo.preview, image)


def test_dabs_are_hints_and_survive_a_model_without(tmp_path: Path):
    path = tmp_path / "photo.png"
    image = random_images(1, 64)[0, :48]
    path.write_bytes(encode(image))
    photo = Photo.open(path, MAX_PIXELS)
    assert photo.place(0, 0) == (0.5 / 960, 0.5 / 720)  # Small pictures are enlarged to be clicked on.
    place = photo.place(607, 142)
    dabbed = photo.dab(*place, "#3060a0")
    colorizer = Colorizer.load("unet")
    expected = colorizer.colorize(image, vividness=0.5, hints=[(40, 9, "#3060a0")])
    np.testing.assert_array_equal(dabbed.colorize(colorizer, 0.5, 96), expected)
    np.testing.assert_array_equal(dabbed.colorize_full(colorizer, 0.5, 96, MAX_PIXELS)[0], expected)
    autoencoder = Colorizer.load("autoencoder")
    np.testing.assert_array_equal(dabbed.colorize(autoencoder, 0.5, 96), autoencoder.colorize(image))
    assert dabbed.has_latest_dab_at(place)
    assert dabbed.redo("#ff0000").dabs[-1].color == "#ff0000"
    assert dabbed.dab(0, 0, "#000000").undo().dabs == dabbed.dabs
    assert dabbed.clear().dabs == ()
    assert dabbed.suggest_colors(colorizer, *photo.place_of_percent(100, 100), 96) == colorizer.suggest_colors(
        image, 63, 47, detail=96, hints=[(40, 9, "#3060a0")]
    )
    # What the model finds likely at a place doesn't depend on the dab that is there.
    assert dabbed.suggest_colors(colorizer, *place, 96) == photo.suggest_colors(colorizer, *place, 96)
    [alternative] = dabbed.draw_alternatives(colorizer, 1, 96, seed=1)
    again = colorizer.colorize(image, hints=[(40, 9, "#3060a0")], alternative=alternative, vividness=0.5)
    np.testing.assert_array_equal(dabbed.choose(alternative).colorize(colorizer, 0.5, 96), again)


def test_dabs_are_drawn_where_they_are():
    image = np.full((300, 200, 3), 90, np.uint8)
    canvas = draw_dabs(image, (Dab(0.25, 0.5, "#ff0000"),))
    assert canvas.shape == (1200, 800, 3)
    assert canvas[600, 200].tolist() == [255, 0, 0]
    assert canvas[600, 600].tolist() == [90, 90, 90]
    assert color_at(canvas, 0.25, 0.5) == "#ff0000"
    np.testing.assert_array_equal(draw_dabs(random_images(1, 1000)[0], ()), random_images(1, 1000)[0])


def test_doubt_is_brighter_where_it_is_greater():
    doubt = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (20, 1))
    drawn = draw_doubt(np.full((20, 50, 4), 100, np.uint8), doubt)
    assert drawn.shape == (20, 50, 3)
    assert (np.diff(to_luma(drawn)[0].astype(int)) >= 0).all()


@pytest.mark.parametrize(("given", "color"), [("#AABBCC", "#aabbcc"), ("rgba(170.4, 187, 203.6, 1)", "#aabbcc")])
def test_colors_as_widgets_give_them(given: str, color: str):
    assert to_hex(given) == color


@pytest.mark.parametrize("color", ["red", "#12", "rgb(1, 2)", "url(x)"])
def test_no_colors_are_refused(color: str):
    with pytest.raises(ValueError, match="a color is #RRGGBB"):
        to_hex(color)


def test_dabs_are_limited(tmp_path: Path):
    path = tmp_path / "one.png"
    path.write_bytes(encode(random_images(1, 8)[0]))
    photo = Photo.open(path, MAX_PIXELS)
    for _ in range(200):
        photo = photo.dab(0.5, 0.5, "#000000")
    with pytest.raises(ValueError, match="takes 200 dabs"):
        photo.dab(0.5, 0.5, "#000000")
