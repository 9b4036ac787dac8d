import cv2
import numpy as np
import pytest

from colorizer.imaging import color, upsampling

RGB = np.random.default_rng(0).integers(0, 256, (301, 257, 3), dtype=np.uint8)


def test_luma_is_opencv_gray():
    assert np.array_equal(color.to_luma(RGB), cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY))


def test_luma_of_a_stack_is_that_of_each():
    stack = RGB[:300, :250].reshape(3, 100, 250, 3)
    assert np.array_equal(color.to_luma(stack), np.stack([color.to_luma(image) for image in stack]))


def test_luma_refuses_other_arrays():
    with pytest.raises(ValueError, match="float64"):
        color.to_luma(RGB / 255)
    with pytest.raises(ValueError, match=r"\(301, 257\)"):
        color.to_luma(RGB[..., 0])


def test_round_trip_within_a_level():
    back = color.join(color.to_luma(RGB), color.to_chroma(RGB))
    assert np.abs(back.astype(int) - RGB).max() <= 1


def test_chroma_of_gray_is_zero_and_of_primaries_a_half():
    gray = np.full((1, 1, 3), 90, np.uint8)
    assert np.abs(color.to_chroma(gray)).max() < 1e-6
    blue, red = np.array([[[0, 0, 255]]], np.uint8), np.array([[[255, 0, 0]]], np.uint8)
    assert color.to_chroma(blue)[0, 0, 0] == pytest.approx(0.5)
    assert color.to_chroma(red)[0, 0, 1] == pytest.approx(0.5)


def test_chroma_of_floats_equals_that_of_levels():
    assert np.allclose(color.to_chroma(RGB), color.to_chroma((RGB / 255).astype(np.float32)), atol=1e-6)


def test_join_keeps_luma_where_nothing_clips():
    luma = np.full((50, 40), 128, np.uint8)
    chroma = np.random.default_rng(1).uniform(-0.15, 0.15, (50, 40, 2)).astype(np.float32)
    assert np.abs(color.to_luma(color.join(luma, chroma)).astype(int) - 128).max() <= 1


def test_join_refuses_planes_of_two_sizes():
    with pytest.raises(ValueError, match=r"\(4, 5\).*\(5, 4, 2\)"):
        color.join(np.zeros((4, 5), np.uint8), np.zeros((5, 4, 2), np.float32))


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (16, 16), (5, 100), (301, 257), (513, 33), (700, 900)])
def test_upsampling_keeps_size_luma_and_even_color(size):
    luma = np.random.default_rng(2).integers(100, 156, size, dtype=np.uint8)
    chroma = np.full((16, 16, 2), (0.05, -0.1), np.float32)
    rgb = upsampling.join_upsampled(luma, chroma)
    assert rgb.shape == (*size, 3)
    assert np.array_equal(rgb, color.join(luma, np.broadcast_to(chroma[0, 0], (*size, 2))))


def test_upsampled_color_ends_where_luma_does():
    """Two halves, one reddish, whose border runs through the middle of a pixel of the small chroma."""
    size, border = 512, 272
    luma = np.full((size, size), 80, np.uint8)
    luma[:, border:] = 180
    truth = np.zeros((size, size, 2), np.float32)
    truth[:, border:, 1] = 0.2
    small = cv2.resize(truth, (16, 16), interpolation=cv2.INTER_AREA)
    rgb = upsampling.join_upsampled(luma, small)
    plain = color.join(luma, cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR))
    near = slice(border - 24, border + 24)
    error, plain_error = (np.abs(color.to_chroma(r)[:, near] - truth[:, near]).mean() for r in (rgb, plain))
    assert error < 0.5 * plain_error


def test_upsampling_in_strips_has_no_seams():
    """A picture of 700 rows is joined in three strips; rotated by 90 degrees, it is divided elsewhere."""
    luma = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (700, 600), dtype=np.uint8), (0, 0), 9)
    chroma = np.random.default_rng(4).uniform(-0.2, 0.2, (16, 16, 2)).astype(np.float32)
    turned = upsampling.join_upsampled(np.rot90(luma).copy(), np.rot90(chroma).copy())
    assert np.abs(np.rot90(turned, -1).astype(int) - upsampling.join_upsampled(luma, chroma)).max() <= 1


def test_shrinking_by_halves_is_the_mean_too():
    luma = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (1501, 2003), dtype=np.uint8), (0, 0), 5)
    expected = cv2.resize(luma, (96, 72), interpolation=cv2.INTER_AREA).astype(int)
    difference = np.abs(color.resize(luma, 72, 96, cv2.INTER_AREA) - expected)
    assert difference.mean() < 1
    assert difference.max() <= 4


def test_color_of_a_wide_panorama_and_of_a_large_photo():
    """With several blocks per row of the small chroma, and with fewer rows than processors."""
    for size in ((3, 70_000), (2000, 1500)):
        luma = np.random.default_rng(6).integers(100, 156, size, dtype=np.uint8)
        chroma = np.full((16, 16, 2), (0.05, -0.1), np.float32)
        rgb = upsampling.join_upsampled(luma, chroma)
        assert np.abs(rgb.astype(int) - color.join(luma, np.broadcast_to(chroma[0, 0], (*size, 2)))).max() <= 1


def test_joining_a_batch_equals_joining_one_by_one():
    rng = np.random.default_rng(0)
    sizes = [((32, 32), (16, 16))] * 18 + [((31, 45), (16, 22)), ((32, 32), (16, 16)), ((8, 8), (16, 16))]
    sizes += [((32, 32), (32, 32))] * 2 + [((300, 420), (32, 48))] * 2 + [((1, 4), (1, 2))] * 3
    lumas = [rng.integers(0, 256, size, np.uint8) for size, _ in sizes]
    chromas = [rng.normal(0, 0.1, (*low, 2)).astype(np.float32) for _, low in sizes]
    together = list(upsampling.join_each(zip(lumas, chromas, strict=True)))
    assert len(together) == len(sizes)
    for result, luma, chroma in zip(together, lumas, chromas, strict=True):
        assert result.flags.c_contiguous
        assert np.array_equal(result, upsampling.join_upsampled(luma, chroma))
