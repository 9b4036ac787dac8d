"""A small share of ``benchmarks/fuzz.py``, which damages files by the thousand."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import change_archive, damage, grow, make_files, try_archive, try_decode

KINDS = make_files()
FILES = list(KINDS.values())


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), st.data())
def test_a_changed_file_is_an_image_or_an_image_error(content, data):
    damaged = bytearray(content)
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8)):
        damaged[place] = byte
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert try_decode(bytes(damaged[: data.draw(places) + 1])) in ("image", "ImageError")
        assert try_decode(bytes(damaged)) in ("image", "ImageError")


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_an_image_or_an_image_error(seed):
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ends = {try_decode(damage(FILES, rng)) for _ in range(50)}
    assert ends == {"image", "ImageError"}


def test_what_grows_with_size_and_count_takes_no_time():
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(60):
            content, started = grow(FILES, rng), time.process_time()
            assert try_decode(content) in ("image", "ImageError")
            assert time.process_time() - started < 3, i


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_images(kind):
    assert try_decode(KINDS[kind]) == "image"


@pytest.mark.filterwarnings("ignore")
def test_a_changed_archive_is_colorized_or_refused_in_words():
    rng = np.random.default_rng(0)
    ends = {try_archive(change_archive(FILES, rng)) for _ in range(30)}
    assert ends == {"archive", "ArchiveError"}
