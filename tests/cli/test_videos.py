import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import random_images
from video_files import moving, read_times, write_video

from colorizer import decode_image, save_image
from colorizer.cli import main


def test_one_video(tmp_path: Path, capsys) -> None:
    source = write_video(tmp_path / "gray.avi", moving(6), options={"bf": "0"})
    assert main(["colorize", str(source), "--output", str(tmp_path / "color.mp4"), "--vividness", "1"]) == 0
    assert "1 colorized" in capsys.readouterr().out
    assert len(read_times(tmp_path / "color.mp4")) == 6


def test_a_folder_of_images_and_videos(tmp_path: Path, capsys) -> None:
    scans = tmp_path / "scans"
    (scans / "x").mkdir(parents=True)
    save_image(random_images(1)[0], scans / "a.png")
    write_video(scans / "x" / "film.mkv", moving(5), subtitles=True)
    (scans / "broken.mp4").write_bytes(b"nothing")
    report = tmp_path / "run.jsonl"
    arguments = ["colorize", str(scans), "--output", str(tmp_path / "out"), "--recursive", "--report", str(report)]
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert "2 colorized, 1 failed" in told.out
    assert "broken.mp4 is not a video that can be read" in told.err
    assert f"{scans / 'x' / 'film.mkv'}: 1 subtitle track left out" in told.err
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["a.png", "film.mp4"]
    lines = {Path(line["source"]).name: line for line in map(json.loads, report.read_text().splitlines())}
    assert (lines["film.mkv"]["frames"], lines["film.mkv"]["width"], lines["film.mkv"]["height"]) == (5, 64, 48)
    assert lines["film.mkv"]["notes"]
    assert "frames" not in lines["a.png"]
    assert main(arguments) == 1
    assert "2 skipped" in capsys.readouterr().out


def test_one_frame_as_an_image(tmp_path: Path, capsys) -> None:
    lumas = [np.full((48, 64), 40 + 20 * i, np.uint8) for i in range(6)]
    source = write_video(tmp_path / "gray.mp4", lumas)
    target = tmp_path / "frame.png"
    assert main(["colorize", str(source), "--output", str(target), "--frame", "0.16"]) == 0
    assert decode_image(target)[..., 1].mean() == pytest.approx((120 - 16) * 255 / 219, abs=12)
    assert main(["colorize", str(source), "--output", str(target), "--frame", "9", "--overwrite"]) == 1
    assert "ends before 9 seconds" in capsys.readouterr().err


@pytest.mark.parametrize(("result", "more"), [("out.mp4", []), ("out.png", ["--frame", "0"])])
def test_frames_that_are_too_large_are_refused(tmp_path: Path, capsys, result: str, more: list[str]) -> None:
    source = write_video(tmp_path / "gray.mp4", moving(6))
    arguments = ["colorize", str(source), "--output", str(tmp_path / result), *more, "--max-pixels"]
    assert main([*arguments, str(48 * 64 - 1)]) == 1
    assert "gray.mp4 has frames of 64 x 48 = 3,072 pixels; the limit is 3,071" in capsys.readouterr().err
    assert not (tmp_path / result).exists()
    assert main([*arguments, str(48 * 64)]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["film.mp4", "--output", "o.mp4", "--hint", "1,1,#ff0000"], "--hint applies only to images"),
        (["film.mp4", "--output", "o.mp4", "--alternatives", "2"], "--alternatives applies only to images"),
        (["film.mp4", "--output", "o.mp4", "--uncertainty"], "--uncertainty applies only to images"),
        (["film.mp4", "--output", "o.mp4", "--raw", "--model", "autoencoder"], "--raw applies only to images"),
        ([".", "--output", "../o", "--format", "jpeg"], "--format applies only to images"),
        (["film.mp4", "--output", "o", "--engine", "ray"], "film.mp4 is a video"),
        (["film.mp4", "--output", "o.avi"], "a result's extension is one of .mp4, .mov, .mkv"),
        (["film.mp4", "--output", "o.png"], "a result's extension is one of .mp4, .mov, .mkv"),
        (["a.png", "--output", "o.mp4"], "a result's extension is one of .png"),
        (["a.png", "--output", "o.png", "--frame", "1"], "--frame needs exactly one video"),
        (["a.png", "--output", "o.png", "--lossless"], "--lossless applies only to videos"),
        (["film.mp4", "--output", "o.png", "--frame", "1", "--lossless"], "--lossless applies only to whole videos"),
        (["film.mp4", "--output", "film.mp4", "--overwrite"], "would overwrite"),
    ],
)
def test_invalid_video_arguments_are_refused_with_one_line(
    tmp_path: Path, monkeypatch, capsys, arguments: list, words: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "film.mp4").write_bytes(b"nothing")  # Refused before it is read.
    save_image(random_images(1)[0], folder / "a.png")
    assert main(["colorize", *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.png", "film.mp4"]


def test_without_pyav_videos_are_ignored(tmp_path: Path, monkeypatch, capsys) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "av" else found(name, *rest))
    save_image(random_images(1)[0], tmp_path / "a.png")
    (tmp_path / "film.mp4").write_bytes(b"nothing")
    assert main(["colorize", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    assert "1 video passed over: videos need PyAV" in (told := capsys.readouterr()).err
    assert "pip install .[video]" in told.err
    assert main(["colorize", str(tmp_path / "film.mp4"), "--output", str(tmp_path / "o.mp4")]) == 2
    assert "pip install .[video]" in capsys.readouterr().err
