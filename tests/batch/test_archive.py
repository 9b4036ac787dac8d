"""Batches: archives in, an archive out."""

import csv
import io
import json
import tracemalloc
import zipfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import encode, random_images

from colorizer.batch.archive import ArchiveError, Limits, colorize_archive
from colorizer.batch.names import fit_name
from colorizer.batch.plan import Job
from colorizer.batch.report import Outcome
from colorizer.imaging.decode import decode_image, decode_with_metadata
from colorizer.imaging.metadata import mark_colorized, read_settings


def _invert(image: np.ndarray, job: Job) -> np.ndarray:
    return 255 - image


def _result(outcome: Outcome) -> str:
    [target] = outcome.job.targets
    return Path(target).as_posix()


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
    lines = colorize_archive(paths, tmp_path / "out.zip", _invert, progress=lambda *both: told.append(both))
    assert [line.job.source for line in lines] == ["one.png", "broken.png", "a/two.webp", "one.tif", "notes.txt"]
    assert (lines[-1].status, lines[-1].reason) == ("passed over", "unsupported file type .txt")
    assert told == [(i, 4) for i in range(4)]
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["one-color.png", "a/two-color.webp", "one-color.tif", "report.csv"]
        for name, image in (("one-color.png", one), ("a/two-color.webp", two), ("one-color.tif", three)):
            np.testing.assert_array_equal(decode_image(archive.read(name)), 255 - image)
        rows = list(csv.reader(io.StringIO(archive.read("report.csv").decode())))
    assert rows[0] == list(json.loads(lines[0].to_json()))
    assert rows[1][:3] == ["one.png", "one-color.png", "done"]
    assert rows[2][:3] == ["broken.png", "broken-color.png", "failed"]
    assert "can be read" in rows[2][3]


def test_results_carry_what_they_say_of_themselves(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(encode(random_images(1)[0]))
    mark = partial(mark_colorized, tool="a tool", settings="a digest")
    colorize_archive([tmp_path / "a.png"], tmp_path / "out.zip", _invert, mark=mark)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        _, metadata = decode_with_metadata(archive.read("a-color.png"))
    assert read_settings(metadata["xmp"]) == "a digest"


def test_results_of_one_name_are_told_apart(tmp_path: Path):
    first, second = (encode(image) for image in random_images(2))
    """As in a folder, with numbers if two files have the same name."""
    (tmp_path / "y.jpg").write_bytes(first)
    path = _zip(tmp_path / "a.zip", {"x.png": first, "x.bmp": second, "y.jpg": second, "y-2.jpg": second})
    lines = colorize_archive([tmp_path / "y.jpg", path], tmp_path / "out.zip", _invert)
    expected = ["y-color.jpg", "x.png-color.png", "x.bmp-color.png", "y-2-color.jpg", "y-2-2-color.jpg"]
    assert [_result(line) for line in lines] == expected
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == [*expected, "report.csv"]


def test_no_name_leads_out_of_the_archive(tmp_path: Path):
    image = encode(random_images(1)[0])
    path = _zip(tmp_path / "evil.zip", {"../../etc/a.png": image, "/root/b.png": image})
    lines = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert [_result(line) for line in lines] == ["etc/a-color.png", "root/b-color.png"]


def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    path = _zip(tmp_path / "bomb.zip", {f"{i}.png": bytes(30_000_000) for i in range(4)})
    assert path.stat().st_size < 200_000
    with pytest.raises(ArchiveError, match="the images take 120 MB unpacked; the limit is 100 MB"):
        colorize_archive([path], tmp_path / "out.zip", _invert)
    assert not (tmp_path / "out.zip").exists()


def test_archives_are_unpacked_only_up_to_the_declared_size(tmp_path: Path):
    """An archive that declares fewer bytes than it contains is unpacked only up to the declared size."""
    path, size, told = tmp_path / "lie.zip", 30_000_000, 10
    _zip(path, {"a.bmp": bytes(size)})
    content = path.read_bytes()
    for true, lie in ((size, told), (zlib.crc32(bytes(size)), zlib.crc32(bytes(told)))):  # Nothing else is wrong.
        assert content.count(true.to_bytes(4, "little")) == 2
        content = content.replace(true.to_bytes(4, "little"), lie.to_bytes(4, "little"))
    path.write_bytes(content)
    given: list[int] = []

    def decode(source: bytes, max_pixels: int):
        given.append(len(source))
        return decode_with_metadata(source, max_pixels=max_pixels)

    tracemalloc.start()
    [line] = colorize_archive([path], tmp_path / "out.zip", _invert, decode=decode)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.reason
    assert given == [told]
    assert peak < size / 3


def test_archives_of_thousands_are_refused_and_directories_parsed_once(tmp_path: Path, monkeypatch):
    many = _zip(tmp_path / "many.zip", {f"{i}.txt": b"" for i in range(10_001)})
    with pytest.raises(ArchiveError, match=r"many\.zip has 10001 files; the limit is 10000"):
        colorize_archive([many], tmp_path / "out.zip", _invert)
    path = _zip(tmp_path / "few.zip", {f"{i}.png": encode(random_images(1)[0]) for i in range(3)})
    parsed: list[int] = []
    real = zipfile.ZipFile._RealGetContents
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda self: (parsed.append(1), real(self))[1])
    assert len(colorize_archive([path], tmp_path / "out.zip", _invert)) == 3
    assert len(parsed) == 1


def test_image_that_ends_like_an_archive_is_an_image(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(random_images(1)[0]) + b"PK\5\6" + bytes(18))
    [line] = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert _result(line) == "a-color.png"


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("..\\..\\b.png", "b.png"),
        ("C:\\x\\b.png", "x/b.png"),
        ("a:b|c?.png", "a_b_c_.png"),
        ("NUL.png", "_NUL.png"),
        ("com1/x.png", "_com1/x.png"),
        ("x\x1b[31m\n.png", "x_[31m_.png"),
        ("folder. /x.png", "folder/x.png"),
        ("n" * 65_000 + ".png", "n" * 80 + ".png"),
    ],
)
def test_names_are_made_fit_for_any_system(name: str, fit: str):
    assert fit_name(name) == fit


@pytest.mark.parametrize(
    ("raw", "name"), [("фото.png".encode(), "фото.png"), ("写真テスト.png".encode("cp932"), "写真テスト.png")]
)
def test_names_that_are_not_marked_as_utf8(tmp_path: Path, raw: bytes, name: str):
    stand_in = b"n" * (len(raw) - 4) + b".png"
    path = _zip(tmp_path / "a.zip", {stand_in.decode(): encode(random_images(1)[0])})
    path.write_bytes(path.read_bytes().replace(stand_in, raw))
    [line] = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert line.job.source == name


def test_encrypted_member_is_told_in_words(tmp_path: Path):
    path = _zip(tmp_path / "a.zip", {"a.png": encode(random_images(1)[0])})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    [line] = colorize_archive([path], tmp_path / "out.zip", _invert)
    assert line.reason == "it is encrypted: unpack the archive with its password and send the images"


def test_report_has_no_formulas(tmp_path: Path):
    path = _zip(tmp_path / "a.zip", {"=1+1.png": encode(random_images(1)[0])})
    colorize_archive([path], tmp_path / "out.zip", _invert)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.read("report.csv").decode().splitlines()[1].startswith("'=1+1.png,'=1+1-color.png")


@pytest.mark.parametrize(
    ("entries", "limits", "message"),
    [
        ({f"{i}.png": b"x" for i in range(4)}, Limits(images=3), "4 images are too many at once; the limit is 3"),
        ({"a.txt": b"x"}, Limits(), "there are no images in a.zip"),
    ],
)
def test_unsuitable_archives_are_refused(tmp_path: Path, entries: dict[str, bytes], limits: Limits, message: str):
    with pytest.raises(ArchiveError, match=message):
        colorize_archive([_zip(tmp_path / "a.zip", entries)], tmp_path / "out.zip", _invert, limits)


def test_damaged_archive_and_nothing(tmp_path: Path):
    path = _zip(tmp_path / "cut.zip", {"a.png": bytes(1000)})
    content = path.read_bytes()
    path.write_bytes(content[:40] + content[-22:])
    with pytest.raises(ArchiveError, match=r"cut\.zip is a damaged archive"):
        colorize_archive([path], tmp_path / "out.zip", _invert)
    with pytest.raises(ArchiveError, match="no images in the upload"):
        colorize_archive([], tmp_path / "out.zip", _invert)


def test_damaged_archive_does_not_stop_the_others(tmp_path: Path):
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4 and no more")
    whole = _zip(tmp_path / "whole.zip", {"a.png": encode(random_images(1, 8)[0], "PNG")})
    failed, done = colorize_archive([tmp_path / "cut.zip", whole], tmp_path / "out.zip", _invert)
    assert (failed.job.source, failed.status) == ("cut.zip", "failed")
    assert failed.reason == "it is a damaged archive: its end is missing; pack it again"
    assert (done.job.source, done.status) == ("a.png", "done")
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["a-color.png", "report.csv"]


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
    assert broken.reason
    assert (good.status, _result(good)) == ("done", "1-color.png")


def test_huge_image_in_an_archive_is_named_only(tmp_path: Path):
    image = encode(random_images(1)[0])
    path = _zip(tmp_path / "a.zip", {"huge.png": image, "b.png": encode(random_images(1, 10)[0])})
    lines = colorize_archive([path], tmp_path / "out.zip", _invert, Limits(pixels=500))
    assert "megapixels" in lines[0].reason
    assert lines[1].status == "done"
