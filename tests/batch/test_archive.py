"""Many images at once."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import encode, random_images

from colorizer.batch.archive import ArchiveError, Limits, colorize_archive
from colorizer.imaging.decode import decode_image


def _invert(image: np.ndarray) -> np.ndarray:
    return 255 - image


def _zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_files_and_archives_become_one_archive(tmp_path: Path):
    one, two, three = random_images(3)
    (tmp_path / "one.png").write_bytes(encode(one))
    (tmp_path / "broken.png").write_bytes(b"words")
    entries = {"a/two.webp": encode(two, "WEBP", lossless=True), "one.tif": encode(three, "TIFF"), "notes.txt": b"x"}
    entries["__MACOSX/a/._two.webp"] = b"x"
    paths = [tmp_path / "one.png", tmp_path / "broken.png", _zip(tmp_path / "more.zip", entries)]
    told: list[tuple[int, int]] = []
    lines = colorize_archive(paths, tmp_path / "out.zip", _invert, tell=lambda *both: told.append(both))
    assert [line.name for line in lines] == ["one.png", "broken.png", "a/two.webp", "one.tif"]
    assert told == [(i, 4) for i in range(4)]
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["one-color.png", "a/two-color.webp", "one-color.tif", "report.csv"]
        for name, image in (("one-color.png", one), ("a/two-color.webp", two), ("one-color.tif", three)):
            np.testing.assert_array_equal(decode_image(archive.read(name)), 255 - image)
        rows = list(csv.reader(io.StringIO(archive.read("report.csv").decode())))
    assert rows[0] == ["image", "result", "error"]
    assert rows[2][:2] == ["broken.png", ""]
    assert "can be read" in rows[2][2]


def test_results_of_one_name_are_told_apart(tmp_path: Path):
    first, second = (encode(image) for image in random_images(2))
    path = _zip(tmp_path / "a.zip", {"x.png": first, "x.bmp": second})
    lines = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert [line.result for line in lines] == ["x-color.png", "x-color-2.png"]


def test_no_name_leads_out_of_the_archive(tmp_path: Path):
    image = encode(random_images(1)[0])
    path = _zip(tmp_path / "evil.zip", {"../../etc/a.png": image, "/root/b.png": image})
    lines = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert [line.result for line in lines] == ["etc/a-color.png", "root/b-color.png"]


def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = _zip(tmp_path / "bomb.zip", {f"{i}.png": bytes(30_000_000) for i in range(4)})
    assert path.stat().st_size < 200_000
    with pytest.raises(ArchiveError, match="120 MB, unpacked, are too much at once; the limit is 100 MB"):
        colorize_archive([path], tmp_path / "out.zip", _invert)
    assert not (tmp_path / "out.zip").exists()


def test_lie_about_the_size_gives_no_more(tmp_path: Path):
    path = _zip(tmp_path / "lie.zip", {"a.png": bytes(1_000_000)})
    honest = (1_000_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, (10).to_bytes(4, "little")))
    [line] = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert line.error


@pytest.mark.parametrize(
    ("entries", "limits", "message"),
    [
        ({f"{i}.png": b"x" for i in range(4)}, Limits(images=3), "4 images are too many at once; the limit is 3"),
        ({"a.txt": b"x"}, Limits(), "there are no images in a.zip"),
    ],
)
def test_limits(tmp_path: Path, entries: dict[str, bytes], limits: Limits, message: str):
    with pytest.raises(ArchiveError, match=message):
        colorize_archive([_zip(tmp_path / "a.zip", entries)], tmp_path / "out.zip", _invert, limits)


def test_damaged_archive_and_nothing(tmp_path: Path):
    path = _zip(tmp_path / "cut.zip", {"a.png": bytes(1000)})
    content = path.read_bytes()
    path.write_bytes(content[:40] + content[-22:])
    with pytest.raises(ArchiveError, match=r"cut\.zip is a damaged archive"):
        colorize_archive([path], tmp_path / "out.zip", _invert)
    with pytest.raises(ArchiveError, match="no images in what was sent"):
        colorize_archive([], tmp_path / "out.zip", _invert)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damaged_member_does_not_stop_the_others(tmp_path: Path, method: int):
    path, images = tmp_path / "a.zip", random_images(2, 64)
    with zipfile.ZipFile(path, "w", method) as archive:
        for i, image in enumerate(images):
            archive.writestr(f"{i}.bmp", encode(image, "BMP"))
    content = bytearray(path.read_bytes())
    content[200:220] = bytes(20)
    path.write_bytes(content)
    broken, good = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert broken.error
    assert good.result == "1-color.png"


def test_huge_image_in_an_archive_is_named_only(tmp_path: Path):
    image = encode(random_images(1)[0])
    path = _zip(tmp_path / "a.zip", {"huge.png": image, "b.png": encode(random_images(1, 10)[0])})
    lines = colorize_archive([path], tmp_path / "out.zip", _invert, Limits(pixels=500))
    assert "megapixels" in lines[0].error
    assert lines[1].result == "b-color.png"
