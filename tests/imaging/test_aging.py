import cv2
import numpy as np
import pytest

from colorizer.imaging.aging import VERSIONS, age, age_as, mix_gray

RAMP = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))
PHOTO = np.stack([RAMP, RAMP[::-1, ::-1], np.roll(RAMP, 40, axis=1)], axis=-1)
FLAT = np.full((200, 240, 3), 128, np.uint8)


def test_age_keeps_the_size_and_repeats_with_its_seed():
    copies = [age(PHOTO, np.random.default_rng(seed)) for seed in range(60)]
    for seed, copy in enumerate(copies):
        assert (copy.dtype, copy.shape) == (np.uint8, PHOTO.shape[:2])
        assert np.array_equal(copy, age(PHOTO, np.random.default_rng(seed)))
    assert len({copy.tobytes() for copy in copies}) > 40


def test_age_keeps_some_copies_clean_and_its_input_unchanged():
    photo, luma = PHOTO.copy(), cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY)
    plain = sum(np.array_equal(age(photo, np.random.default_rng(seed)), luma) for seed in range(300))
    assert 5 < plain < 60
    assert np.array_equal(photo, PHOTO)


def test_age_of_random_mixtures_lies_between_blue_and_luma():
    """No gray of pure red is lighter than with panchromatic film, and no gray of pure blue is darker."""
    rngs = [np.random.default_rng(seed) for seed in range(200)]
    means = {}
    for name, color in {"red": (255, 0, 0), "blue": (0, 0, 255)}.items():
        picture = np.full((8, 8, 3), color, np.uint8)
        weights = [mixture(rng) for rng in rngs]
        means[name] = [mix_gray(picture, weight).mean() for weight in weights]
    assert max(means["red"]) <= 76
    assert min(means["red"]) < 10
    assert min(means["blue"]) >= 29
    assert max(means["blue"]) > 200


def mixture(rng: np.random.Generator) -> np.ndarray:
    from colorizer.imaging import aging

    weights = aging._draw_sensitivity(rng)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert (weights >= 0).all()
    return weights


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (32, 32), (5, 300)])
def test_any_size_can_be_aged(size: tuple[int, int]):
    picture = np.full((*size, 3), 90, np.uint8)
    for seed in range(40):
        assert age(picture, np.random.default_rng(seed)).shape == size
    for version in VERSIONS:
        copy, inside = age_as(picture, version)
        assert copy[inside].shape == size


def test_what_is_no_rgb_is_refused():
    with pytest.raises(ValueError, match="float64"):
        age(PHOTO / 255, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"\(120, 160\)"):
        age_as(RAMP, "blue")
    with pytest.raises(ValueError, match="blue, faded, grain, scratches, jpeg-border"):
        age_as(PHOTO, "sepia")


@pytest.mark.parametrize("version", VERSIONS)
def test_fixed_versions_are_the_same_every_time(version: str):
    first, again = age_as(PHOTO, version)[0], age_as(PHOTO, version)[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, age_as(PHOTO, next(v for v in VERSIONS if v != version))[0])


def test_blue_is_the_blue_plane():
    assert np.array_equal(age_as(PHOTO, "blue")[0], PHOTO[..., 2])


def test_faded_has_gamma_and_half_of_the_contrast():
    gray = np.arange(256, dtype=np.uint8)[None].repeat(3, axis=0)
    faded = age_as(np.stack([gray] * 3, axis=-1), "faded")[0][0]
    expected = 255 * (0.5 + 0.5 * ((np.arange(256) / 255) ** 1.4 - 0.5))
    assert np.abs(faded - expected).max() <= 0.51


def test_grain_is_blurred_first():
    copy = age_as(FLAT, "grain")[0]
    assert copy.std() == pytest.approx(20, rel=0.05)
    edge = FLAT.copy()
    edge[:, :120], edge[:, 120:] = 60, 190
    columns = age_as(edge, "grain")[0].mean(axis=0)
    assert columns[119] == pytest.approx(60 + 130 * 0.37, abs=8)  # A pixel's center is 1/3 of sigma from the edge.


def test_scratches_and_dust_cover_a_part_of_the_picture():
    changed = age_as(FLAT, "scratches")[0] != 128
    assert 0.02 < changed.mean() < 0.2


def test_jpeg_border_is_outside_of_the_picture():
    copy, inside = age_as(PHOTO, "jpeg-border")
    assert copy.shape == (120 + 2 * 10, 160 + 2 * 13)
    _, content = cv2.imencode(".jpg", cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY), [cv2.IMWRITE_JPEG_QUALITY, 30])
    assert np.array_equal(copy[inside], cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))
    paper = np.ones(copy.shape, bool)
    paper[inside] = False
    assert copy[paper].min() > 200
