"""Visitors' files are deleted after a while."""

import time
from pathlib import Path

import gradio as gr
import pytest

from colorizer.demo.cleanup import KEEP_VARIABLE, read_keep, sweep


def test_old_files_go_and_what_the_page_shows_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "files"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    shown = folder / "0a/shown.png"
    with gr.Blocks() as demo:
        image = gr.Image()
    image.keep_in_cache.add(str(shown))
    known, unknown = folder / "0b/known.png", folder / "0c/deep/cut-off"
    for path in (shown, known, unknown):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    demo.upload_file_set.update([str(known), str(shown)])
    sweep(demo, age=1000)
    assert known.exists()
    assert unknown.exists()
    sweep(demo, age=-1)
    assert sorted(folder.rglob("*")) == [shown.parent, shown]
    assert demo.upload_file_set == {str(shown)}
    assert folder.is_dir()


def test_an_old_folder_goes_with_its_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "files"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    with gr.Blocks() as demo:
        pass
    old = folder / "0a/old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    time.sleep(0.6)
    (folder / "0b").mkdir()  # An upload that is just starting.
    sweep(demo, age=0.5)
    assert list(folder.rglob("*")) == [folder / "0b"]


@pytest.mark.parametrize("keep", ["an hour", "3601", "11", "-60"])
def test_nonsense_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, keep: str):
    monkeypatch.setenv(KEEP_VARIABLE, keep)
    with pytest.raises(ValueError, match=f"COLORIZER_KEEP must be a number of seconds from 12 to 3600, got '{keep}'"):
        read_keep()


def test_an_hour_if_nothing_is_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(KEEP_VARIABLE, raising=False)
    assert read_keep() == 3600
