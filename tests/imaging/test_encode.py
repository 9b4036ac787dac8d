from pathlib import PurePath

import pytest
from conftest import encode, random_images

from colorizer.batch.archive import colorize_archive
from colorizer.batch.plan import name_results
from colorizer.demo.photo import Photo
from colorizer.imaging.decode import image_format
from colorizer.imaging.encode import choose_extension


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.png", ".png"),
        ("a.JPG", ".JPG"),
        ("a.jpeg", ".jpeg"),
        ("a.tiff", ".tiff"),
        ("a.webp", ".webp"),
        ("a.heic", ".jpg"),
        ("a.AVIF", ".jpg"),
        ("a.gif", ".png"),
        ("a", ".png"),
    ],
)
def test_format_same_follows_the_extension(name, extension):
    assert choose_extension(name) == extension
    (job,) = name_results([(name, PurePath(name))], "out", "same", [""])
    assert str(job.targets[0]).endswith(extension)


def test_the_same_format_has_one_answer_in_folders_archives_and_the_demo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encode(random_images(1)[0], "JPEG"))
    (job,) = name_results([(path, PurePath(path.name))], tmp_path / "out", "same", [""])
    (outcome,) = colorize_archive([path], tmp_path / "out.zip", lambda image, job: image)
    photo = Photo.open(path, 10**6)
    assert image_format(path) == "JPEG"
    assert {job.targets[0].suffix, outcome.job.targets[0].suffix, photo.extension} == {".png"}
