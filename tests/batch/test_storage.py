import time
from pathlib import Path, PurePosixPath

import pytest
from object_stores import serve_gs, serve_s3

from colorizer.batch.options import PaintOptions
from colorizer.batch.ray_engine import FolderPlan
from colorizer.batch.storage import (
    Entry,
    fetch,
    is_folder,
    join_place,
    lies_within,
    list_folder,
    modified,
    parse_place,
    put,
    read_ends,
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Connect this process to the object stores on this machine."""
    logs = tmp_path_factory.mktemp("stores")
    with (
        serve_s3("scans", logs / "s3") as s3,
        serve_gs("scans", logs / "gs") as gs,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in (s3 | gs).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(params=["disk", "s3", "gs"])
def folder(request, tmp_path):
    if request.param == "disk":
        return tmp_path / "folder"
    request.getfixturevalue("stores")
    return f"{request.param}://scans/{tmp_path.name}"


def test_what_is_put_is_listed_and_fetched(folder):
    assert not is_folder(folder)
    assert list_folder(folder) == ([], [])
    for name, content in {"b.png": b"bb", "a b ü+%.png": b"a", "x/c.png": b"", "y/z/d.png": b"d" * 12_000_000}.items():
        place = join_place(folder, PurePosixPath(name))
        put(place, content)
        fetched = fetch(place)
        assert (fetched.read_bytes() if isinstance(fetched, Path) else fetched) == content
    assert is_folder(folder)
    assert list_folder(folder) == ([Entry("a b ü+%.png", 1), Entry("b.png", 2)], ["x", "y"])
    assert list_folder(join_place(folder, PurePosixPath("y/z"))) == ([Entry("d.png", 12_000_000)], [])
    put(join_place(folder, PurePosixPath("b.png")), b"anew")
    assert list_folder(folder)[0][1] == Entry("b.png", 4)


def test_ends_and_time_of_change_are_read(folder):
    first, second = (join_place(folder, PurePosixPath(name)) for name in ("a.png", "b.png"))
    before = time.time_ns()
    put(first, b"begin and end")
    put(second, b"x")
    assert read_ends(first, 5) == (b"begin", b"d end")
    assert read_ends(second, 5) == (b"x", b"x")
    assert before - 2e9 < modified(first) <= modified(second) < time.time_ns() + 2e9


def test_files_that_are_passed_over_are_found(folder):
    for name in ("a.png", "b.dng", "x/c.pdf", "x/d.jpg", "out/e.txt", ".f.dng"):
        put(join_place(folder, PurePosixPath(name)), b"x")
    output = join_place(folder, PurePosixPath("out"))
    for recursive, expected in ((False, ["b.dng"]), (True, ["b.dng", "x/c.pdf"])):
        found = FolderPlan(folder, output, PaintOptions(), recursive=recursive).check()
        assert found == [join_place(folder, PurePosixPath(name)) for name in expected]


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_an_object_that_is_not_there(stores, scheme):
    with pytest.raises(OSError, match="none"):
        fetch(f"{scheme}://scans/none.png")
    with pytest.raises(OSError, match="nobucket"):
        put(f"{scheme}://nobucket/a.png", b"a")


def test_parse_place():
    assert parse_place("a/b.png") == Path("a/b.png")
    assert parse_place("s3://bucket/a/b/") == "s3://bucket/a/b"
    assert lies_within("s3://bucket/a/b", "s3://bucket/a")
    assert not lies_within("s3://bucket/ab", "s3://bucket/a")
    assert not lies_within(Path("a"), "s3://bucket/a")
    for wrong in ("ftp://server/a", "s3://"):
        with pytest.raises(ValueError, match="s3://BUCKET"):
            parse_place(wrong)


def test_links_to_folders_lead_nowhere(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "circle").symlink_to(tmp_path)
    assert list_folder(tmp_path) == ([], ["folder"])
    assert list_folder(tmp_path / "folder") == ([], [])
