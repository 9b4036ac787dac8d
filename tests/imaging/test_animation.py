"""Frames of GIF and PNG: transparency, positions, and damage."""

import struct

import numpy as np
import pytest
from image_files import chunk, pillow, png
from PIL import Image

from colorizer.imaging.decode import ImageError, decode_image, decode_pages

WHITE, RED, GREEN, BLUE = (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)
PALETTE = np.array([RED, GREEN, BLUE, WHITE], np.uint8)
STAY, CLEAR, RESTORE = 0, 1, 2
SOURCE, OVER = 0, 1


def apng(frames: list[tuple[int, int, np.ndarray, int, int]], *extra: bytes, bits: int) -> bytes:
    """Write an animated PNG from frames: left, top, samples, disposal, and whether they replace all."""
    content, number = b"", 0
    for left, top, array, disposal, blend in frames:
        whole = png(array, bits=bits)
        data = whole[whole.index(b"IDAT") + 4 : -16]
        place = struct.pack(">IIIIIHHBB", number, *array.shape[1::-1], left, top, 1, 10, disposal, blend)
        content += chunk(b"fcTL", place) + (
            chunk(b"fdAT", struct.pack(">I", number + 1) + data) if number else chunk(b"IDAT", data)
        )
        number += 2 if number else 1
    head = png(frames[0][2], bits=bits)
    animation = chunk(b"acTL", struct.pack(">II", len(frames), 0))
    return head[:33] + animation + b"".join(extra) + content + chunk(b"IEND", b"")


def gif(frames: list[tuple[int, int, np.ndarray, int, int | None]], side: int, colors: int = 4) -> bytes:
    """Write a GIF from frames: left, top, indices, disposal, and the transparent index."""
    content = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80 | (colors.bit_length() - 2), 0, 0)
    content += PALETTE[:colors].tobytes()
    for left, top, indices, disposal, transparent in frames:
        picture = Image.fromarray(indices.astype(np.uint8), "P")
        picture.putpalette(PALETTE.tobytes())
        alone = pillow(picture, "GIF", optimize=False)
        at = alone.index(b"," + bytes(4))
        control = struct.pack("<BHBB", disposal << 2 | (transparent is not None), 10, transparent or 0, 0)
        place = struct.pack("<HH", left, top) + alone[at + 5 : at + 9]
        content += b"!\xf9\4" + control + b"," + place + alone[at + 9 : -1]
    return content + b";"


def decode(content: bytes) -> list[np.ndarray]:
    return [image for image, _ in decode_pages(content)]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_gray_of_later_frames_of_a_png(bits: int):
    """It shows the previous frames or nothing, depending on the frame."""
    most = 2**bits - 1
    below = np.full((3, 4), most, np.uint16 if bits == 16 else np.uint8)
    above = below[:2, :2] * 0
    above[0, 1] = most
    gray = chunk(b"tRNS", struct.pack(">H", 0))
    for blend, corner in ((OVER, [255, 255]), (SOURCE, [0, 0])):
        first, second = decode(apng([(0, 0, below, STAY, SOURCE), (1, 1, above, STAY, blend)], gray, bits=bits))
        assert first[..., 3].all()
        second = second if second.shape[2] == 4 else np.dstack([second, np.full((3, 4), 255, np.uint8)])
        assert second[1:, 1:3, 3].tolist() == [[corner[0], 255], corner]
        assert second[1, 2].tolist() == second[0, 0].tolist() == [255] * 4


def test_transparent_color_of_later_frames_of_a_png_of_16_bits():
    """It is distinguished from colors that differ only in the lower bytes."""
    below = np.full((1, 2, 3), 65535, np.uint16)
    above = np.uint16([[[0x1234, 0x5678, 0x9ABC], [0x1235, 0x5678, 0x9ABC]]])
    key = chunk(b"tRNS", above[0, 0].astype(">u2").tobytes())
    _, second = decode(apng([(0, 0, below, STAY, SOURCE), (0, 0, above, STAY, OVER)], key, bits=16))
    assert second.tolist() == [[[255, 255, 255], [0x12, 0x56, 0x9A]]]


def test_disposal_of_the_frames_of_a_png():
    whole, part = np.full((2, 3), 200, np.uint8), np.full((1, 1), 90, np.uint8)
    for disposal, seen in ((STAY, [90, 90, 90, 255]), (CLEAR, [0] * 4), (RESTORE, [200, 200, 200, 255])):
        frames = [(0, 0, whole, STAY, SOURCE), (1, 1, part, disposal, OVER), (0, 0, part, STAY, OVER)]
        first, second, third = decode(apng(frames, bits=8))
        assert (first == 200).all()
        assert second[..., :3].tolist() == [[[200] * 3] * 3, [[200] * 3, [90] * 3, [200] * 3]]
        assert third[0, 0, :3].tolist() == [90] * 3
        assert third[1, 1].tolist() == seen[: third.shape[2]]


def test_frames_that_a_png_lacks_are_damage():
    frame = (0, 0, np.zeros((2, 2), np.uint8), STAY, SOURCE)
    content = apng([frame] * 3, bits=8)
    short = content[: content.rindex(b"fcTL") - 4]
    with pytest.raises(ImageError, match=r"page 3 .*damaged"):
        decode(short + chunk(b"IEND", b""))


def test_frames_get_the_gamma_and_orientation_of_the_first():
    exif = Image.Exif()
    exif[0x0112] = 6
    array = np.uint8([[10, 128, 250]])
    extra = chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    frames = decode(apng([(0, 0, array, STAY, SOURCE)] * 2, *extra, bits=8))
    assert frames[1].shape == (3, 1, 3)
    assert np.array_equal(*frames)
    assert np.array_equal(frames[0], decode_image(png(array, *extra)))


def test_colors_missing_from_a_later_frames_palette_are_damage():
    frames = [(0, 0, np.zeros((4, 4)), 1, None), (1, 1, np.full((2, 2), 3), 1, None)]
    assert decode(gif(frames, 4))[1][1, 1].tolist() == list(WHITE)
    with pytest.raises(ImageError, match=r"page 2 .*damaged .*: .* colors are missing from its palette"):
        decode(gif(frames, 4, colors=2))


def test_what_no_frame_of_a_gif_covers_is_transparent():
    content = gif([(1, 1, np.full((2, 2), 2), 1, None), (0, 0, np.ones((1, 4)), 1, None)], 4)
    first, second = decode(content)
    assert np.array_equal(first, decode_image(content))
    assert first[..., 3].tolist() == [[0] * 4, [0, 255, 255, 0], [0, 255, 255, 0], [0] * 4]
    assert first[1, 1, :3].tolist() == list(BLUE)
    assert second[0, :, 3].all()
    assert np.array_equal(second[1:3, 1:3], first[1:3, 1:3])
    assert np.array_equal(second[1:, ..., 3], first[1:, ..., 3])


def test_disposal_of_the_frames_of_a_gif():
    for disposal, seen in ((1, BLUE), (2, RED), (3, GREEN)):  # Red is the color of the background.
        part = np.full((2, 2), 2)
        frames = decode(gif([(0, 0, np.ones((4, 4)), 1, None), (1, 1, part, disposal, None), (0, 0, part, 1, 2)], 4))
        assert frames[1][1, 1].tolist() == list(BLUE)
        assert frames[2][1, 1].tolist() == list(seen)
    frames = decode(gif([(0, 0, np.ones((4, 4)), 2, 3), (0, 0, part, 1, None)], 4))
    assert frames[1][..., 3].tolist() == [[255, 255, 0, 0]] * 2 + [[0] * 4] * 2
