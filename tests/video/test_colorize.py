import errno
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import ROOT
from video_files import (
    OneColor,
    gray_frame,
    moving,
    plane,
    read_frames,
    read_packets,
    read_times,
    uneven,
    write_video,
)

from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer
from colorizer.video import VideoError
from colorizer.video.colorize import colorize_video
from colorizer.video.reading import read_frame


def test_frames_times_sound_and_all_else_is_kept(tmp_path: Path) -> None:
    chapters = [
        {
            "id": i,
            "start": 500 * i,
            "end": 500 * i + 500,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": f"Part {i}"},
        }
        for i in range(2)
    ]
    source = write_video(
        tmp_path / "gray.mp4",
        moving(30),
        uneven(30),
        sound="aac",
        rotation=90,
        aspect=Fraction(16, 15),
        metadata={"title": "Garden", "artist": "Opa"},
        chapters=chapters,
    )
    told: list[tuple[int, int | None]] = []
    summary = colorize_video(
        source, tmp_path / "color.mp4", OneColor(), progress=lambda *done: told.append(done), part_seconds=0.4
    )
    assert (summary.frames, summary.height, summary.width) == (30, 48, 64)
    assert summary.notes == summary.damaged == ()
    assert told[0] == (0, 30)
    assert told[-1] == (30, 30)
    assert read_times(tmp_path / "color.mp4") == read_times(source)
    assert read_packets(tmp_path / "color.mp4", "audio") == read_packets(source, "audio")
    with av.open(str(source)) as before, av.open(str(tmp_path / "color.mp4")) as after:
        old, new = before.streams.video[0], after.streams.video[0]
        assert new.sample_aspect_ratio == old.sample_aspect_ratio == Fraction(16, 15)
        assert new.codec_context.pix_fmt == "yuv420p"
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            assert getattr(new.codec_context, name) == getattr(old.codec_context, name) == 1
        assert after.metadata["title"] == "Garden"
        assert after.metadata["artist"] == "Opa"
        assert [c["metadata"]["title"] for c in after.chapters()] == ["Part 0", "Part 1"]
        assert next(after.decode(video=0)).rotation == next(before.decode(video=0)).rotation == 90
    assert sorted(path.name for path in tmp_path.iterdir()) == ["color.mp4", "gray.mp4"]


@pytest.mark.parametrize(
    ("pixels", "size"),
    [
        ("yuv420p", (48, 64)),
        ("gray", (48, 64)),
        ("yuv422p", (47, 63)),
        ("yuv420p10le", (48, 64)),
        ("gray16le", (48, 64)),
    ],
)
def test_lossless_luma_is_the_source_s_bit_for_bit(tmp_path: Path, pixels: str, size: tuple[int, int]) -> None:
    depth = 16 if "16" in pixels else 10 if "10" in pixels else 8
    source = write_video(tmp_path / "gray.mkv", moving(9, *size, depth=depth), codec="ffv1", pixels=pixels)
    colorize_video(source, tmp_path / "color.mkv", OneColor(), lossless=True)
    before, after = read_frames(source), read_frames(tmp_path / "color.mkv")
    assert len(after) == 9
    assert all(np.array_equal(plane(a, 0), plane(b, 0)) for a, b in zip(before, after, strict=True))
    unit = 2 ** (depth - 8)
    assert np.abs(plane(after[5], 1) / unit - 128).mean() > 10


@pytest.mark.parametrize("matrix", [1, 6, 9, 2])
@pytest.mark.parametrize("color_range", [1, 2])
def test_chroma_fits_the_film_s_own_matrix_and_range(tmp_path: Path, matrix: int, color_range: int) -> None:
    cb, cr = 0.1, -0.05
    source = write_video(
        tmp_path / "gray.mkv", moving(3), codec="ffv1", pixels="yuv420p", matrix=matrix, color_range=color_range
    )
    colorize_video(source, tmp_path / "color.mkv", OneColor((cb, cr), slope=0), lossless=True)
    frame = read_frames(tmp_path / "color.mkv")[1]
    assert (frame.colorspace, frame.color_range) == (matrix, color_range)
    weight_r, weight_b = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}.get(matrix, (0.299, 0.114))
    span = 224 if color_range == 1 else 255
    # B' - Y' and R' - Y' are those of Rec. 601 in full range.
    assert plane(frame, 1).mean() == pytest.approx(128 + span * cb * 1.772 / (2 - 2 * weight_b), abs=0.6)
    assert plane(frame, 2).mean() == pytest.approx(128 + span * cr * 1.402 / (2 - 2 * weight_r), abs=0.6)


def test_the_network_sees_frames_upright_with_square_pixels(tmp_path: Path) -> None:
    seen: list[np.ndarray] = []

    class Looking(OneColor):
        def predict_chroma(self, lumas: list, **options: object) -> list:
            seen.extend(lumas)
            # Colored where the upper half is.
            planes = [np.zeros((*luma.shape, 2), np.float32) for luma in lumas]
            for chroma in planes:
                chroma[: len(chroma) // 2] = 0.2
            return planes

    luma = np.tile(np.linspace(40, 200, 64).astype(np.uint8), (48, 1))  # Brighter to the right.
    source = write_video(tmp_path / "gray.mp4", [luma] * 3, rotation=90, aspect=Fraction(2))
    colorize_video(source, tmp_path / "color.mp4", Looking())
    assert seen[-1].shape == (128, 48)
    assert seen[-1][5].mean() > seen[-1][-5].mean() + 100  # Turned counterclockwise, the right is above.
    blue = plane(read_frames(tmp_path / "color.mp4")[1], 1)
    assert blue[:, -8:].mean() > 160
    assert blue[:, :8].mean() < 135


def test_interlaced_films_stay_interlaced(tmp_path: Path) -> None:
    source = write_video(tmp_path / "gray.mp4", moving(9), interlaced=True)
    assert read_frames(source)[0].interlaced_frame
    colorize_video(source, tmp_path / "color.mp4", OneColor())
    assert all(frame.interlaced_frame for frame in read_frames(tmp_path / "color.mp4"))


def test_what_a_container_does_not_take_is_told(tmp_path: Path) -> None:
    source = write_video(tmp_path / "gray.mkv", moving(20), sound="pcm_u8", subtitles=True, attachment=True)
    summary = colorize_video(source, tmp_path / "color.mp4", OneColor())
    notes = " | ".join(summary.notes)
    assert "1 audio track re-encoded as AAC" in notes
    assert "1 subtitle track left out, since .mp4 doesn't support it; .mkv may" in notes
    assert "1 attachment track left out" in notes
    with av.open(str(tmp_path / "color.mp4")) as result:
        assert [stream.type for stream in result.streams] == ["video", "audio"]
        assert result.streams.audio[0].codec_context.name == "aac"
        heard = np.concatenate([frame.to_ndarray()[0] for frame in result.decode(audio=0)])
    assert len(heard) / 48_000 == pytest.approx(19 * 0.04, abs=0.05)
    assert np.abs(heard).max() == pytest.approx(1, abs=0.1)

    summary = colorize_video(source, tmp_path / "color.mkv", OneColor())
    assert summary.notes == ()
    assert read_packets(tmp_path / "color.mkv", "audio") == read_packets(source, "audio")
    assert read_packets(tmp_path / "color.mkv", "subtitle") == read_packets(source, "subtitle")
    with av.open(str(tmp_path / "color.mkv")) as result:
        assert [stream.type for stream in result.streams] == ["video", "audio", "subtitle", "attachment"]
        assert result.streams[3].data == b"letters"


class StopError(Exception):
    pass


def stop_at(frames: int):
    def tell(done: int, _: int | None) -> None:
        if done >= frames:
            raise StopError

    return tell


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_stopped_run_is_resumed_and_gives_the_same_film(tmp_path: Path, suffix: str) -> None:
    source = write_video(tmp_path / "gray.mp4", moving(70), uneven(70), sound="aac")
    options = {"part_seconds": 0.5, "lossless": suffix == ".mkv"}
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"color{suffix}"
    colorize_video(source, whole, OneColor(), **options)
    for frames in (20, 40, 64):
        with pytest.raises(StopError):
            colorize_video(source, target, OneColor(), progress=stop_at(frames), **options)
        assert not target.exists()
    seen: list[int] = []

    class Counting(OneColor):
        def predict_chroma(self, lumas: list, **given: object) -> list:
            seen.append(len(lumas))
            return super().predict_chroma(lumas, **given)

    summary = colorize_video(source, target, Counting(), **options)
    assert any("resumed after the first" in note for note in summary.notes)
    assert sum(seen) < 12  # Of 24, and one for the model's fingerprint.
    assert summary.frames == 70
    assert read_times(target) == read_times(whole)
    for a, b in zip(read_frames(target), read_frames(whole), strict=True):
        assert all(np.array_equal(plane(a, i), plane(b, i)) for i in range(3))
    assert not list(tmp_path.glob(".*"))


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[3:]
from colorizer.video.colorize import colorize_video
from video_files import OneColor

def tell(done, total):
    if done >= 40:
        os.kill(os.getpid(), signal.SIGKILL)

colorize_video(sys.argv[1], sys.argv[2], OneColor(), progress=tell, part_seconds=0.5)
"""


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    source = write_video(tmp_path / "gray.mp4", moving(60))
    target = tmp_path / "color.mp4"
    arguments = [sys.executable, "-c", KILLED, str(source), str(target), str(ROOT), str(ROOT / "tests")]
    assert subprocess.run(arguments, check=False).returncode == -9
    assert not target.exists()
    summary = colorize_video(source, target, OneColor(), part_seconds=0.5)
    assert any("resumed after the first 39 frames" in note for note in summary.notes)
    colorize_video(source, tmp_path / "whole.mp4", OneColor(), part_seconds=0.5)
    for a, b in zip(read_frames(target), read_frames(tmp_path / "whole.mp4"), strict=True):
        assert all(np.array_equal(plane(a, i), plane(b, i)) for i in range(3))


@pytest.mark.parametrize("what", ["settings", "weights", "source"])
def test_another_film_other_settings_or_weights_begin_anew(tmp_path: Path, what: str) -> None:
    source, target = write_video(tmp_path / "gray.mp4", moving(40)), tmp_path / "color.mp4"
    with pytest.raises(StopError):
        colorize_video(source, target, OneColor(), progress=stop_at(30), part_seconds=0.5)
    if what == "source":
        write_video(source, moving(40, seed=1))
    model = OneColor((0.2, 0.1)) if what == "weights" else OneColor()
    summary = colorize_video(
        source, target, model, part_seconds=0.5, vividness=0.4 if what == "settings" else DEFAULT_VIVIDNESS
    )
    assert any(note.startswith("started over") and what in note for note in summary.notes)
    assert summary.frames == 40
    if what == "weights":
        assert plane(read_frames(target)[0], 1).mean() > 160


def test_damaged_frames_are_counted_and_named(tmp_path: Path) -> None:
    source = write_video(tmp_path / "gray.mp4", moving(60))
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    source.write_bytes(content)
    summary = colorize_video(source, tmp_path / "color.mp4", OneColor(), part_seconds=0.5)
    assert list(summary.damaged) == sorted(summary.damaged)
    assert all(1.2 < seconds < 2 for seconds in summary.damaged)
    assert 0 < 60 - summary.frames <= len(summary.damaged)

    # The same, reported once, when a run is resumed.
    with pytest.raises(StopError):
        colorize_video(source, tmp_path / "again.mp4", OneColor(), part_seconds=0.5, progress=stop_at(50))
    assert colorize_video(source, tmp_path / "again.mp4", OneColor(), part_seconds=0.5).damaged == summary.damaged


def test_a_file_that_breaks_off_gives_what_there_is(tmp_path: Path) -> None:
    source = write_video(tmp_path / "gray.mkv", moving(60), codec="ffv1", sound="pcm_u8")
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    summary = colorize_video(source, tmp_path / "color.mp4", OneColor())
    assert 20 < summary.frames < 40
    assert len(read_frames(tmp_path / "color.mp4")) == summary.frames


def test_files_that_are_no_films_are_refused_in_words(tmp_path: Path) -> None:
    private = write_video(tmp_path / "private.ts", moving(5))
    texts = {
        "playlist.mp4": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{private}\n#EXT-X-ENDLIST\n",
        "list.mp4": f"ffconcat version 1.0\nfile '{private}'\n",
        "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "text.mp4": "Hello.",
        "empty.mp4": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "picture.mp4").write_bytes((ROOT / "samples/photos/cat.jpg").read_bytes())
    with av.open(str(tmp_path / "sound.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    expected = dict.fromkeys([*texts, "picture.mp4"], "not a video that can be read")
    for name, words in (expected | {"empty.mp4": "is empty", "sound.mp4": "has no video stream"}).items():
        with pytest.raises(VideoError, match=words):
            colorize_video(tmp_path / name, tmp_path / "color.mp4", OneColor())
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "color.mp4").exists()


def test_unsuitable_outputs_are_refused_before_the_first_frame(tmp_path: Path) -> None:
    deep = write_video(tmp_path / "deep.mkv", moving(3, depth=10), codec="ffv1", pixels="yuv420p10le")
    with pytest.raises(VideoError, match=r"has 10 bits per sample.*lossless, and an output that ends in .mkv"):
        colorize_video(deep, tmp_path / "color.mp4", OneColor())
    gray = write_video(tmp_path / "gray.mp4", moving(3))
    with pytest.raises(VideoError, match=r"lossless video needs an output that ends in .mkv"):
        colorize_video(gray, tmp_path / "color.mp4", OneColor(), lossless=True)
    with pytest.raises(VideoError, match=r"extension of a video must be one of .mp4, .mov, .mkv"):
        colorize_video(gray, tmp_path / "color.avi", OneColor())
    with pytest.raises(VideoError, match="is the source itself"):
        colorize_video(gray, gray, OneColor())
    clear = write_video(tmp_path / "clear.mkv", moving(3), codec="ffv1", pixels="yuva420p")
    with pytest.raises(VideoError, match="has transparency"):
        colorize_video(clear, tmp_path / "color.mp4", OneColor())
    secret = write_video(
        tmp_path / "secret.mp4",
        moving(3),
        container_options={
            "encryption_scheme": "cenc-aes-ctr",
            "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
            "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
        },
    )
    with pytest.raises(VideoError, match="is encrypted"):
        colorize_video(secret, tmp_path / "color.mp4", OneColor())


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (33, 47)])
def test_odd_sizes_are_written(tmp_path: Path, size: tuple[int, int]) -> None:
    source = write_video(tmp_path / "gray.mkv", moving(4, *size), codec="rawvideo", pixels="gray")
    colorize_video(source, tmp_path / "color.mp4", OneColor())
    frames = read_frames(tmp_path / "color.mp4")
    assert [(frame.height, frame.width, frame.format.name) for frame in frames] == [(*size, "yuv444p")] * 4


@pytest.mark.parametrize("name", ["gray.avi", "gray.ts", "gray.mpg", "gray.mov", "gray.webm"])
def test_other_containers_and_codecs_are_read(tmp_path: Path, name: str) -> None:
    codec = {"gray.mpg": "mpeg2video", "gray.mov": "prores_ks", "gray.webm": "libvpx-vp9"}.get(name, "libx264")
    pixels = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    lumas = moving(12, depth=10 if codec == "prores_ks" else 8)
    options = {"crf": "20", "bf": "0"} if codec == "libx264" else {}
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for i, luma in enumerate(lumas):
            frame = timed_frame(luma, pixels, i)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    target = tmp_path / ("color.mkv" if codec == "prores_ks" else "color.mp4")
    summary = colorize_video(path, target, OneColor(), lossless=codec == "prores_ks", part_seconds=0.2)
    assert summary.frames == 12
    before, after = read_times(path), read_times(target)
    assert [float(a - after[0]) for a in after] == pytest.approx([float(b - before[0]) for b in before], abs=0.0011)


def timed_frame(luma: np.ndarray, pixels: str, index: int) -> av.VideoFrame:
    frame = gray_frame(luma, pixels, 0)
    frame.pts, frame.time_base = index, Fraction(1, 25)
    return frame


def test_one_frame_is_read_upright(tmp_path: Path) -> None:
    lumas = [np.full((48, 64), 40 + 8 * i, np.uint8) for i in range(20)]
    source = write_video(tmp_path / "gray.mp4", lumas, rotation=90, aspect=Fraction(2))
    image = read_frame(source, 0.5)
    assert image.shape == (128, 48, 3)
    assert image.mean() == pytest.approx((40 + 8 * 12 - 16) * 255 / 219, abs=4)
    assert read_frame(source, 0).mean() == pytest.approx((40 - 16) * 255 / 219, abs=4)
    with pytest.raises(VideoError, match="ends before 3 seconds"):
        read_frame(source, 3)
    with pytest.raises(VideoError, match="at least 0 seconds"):
        read_frame(source, -1)


@pytest.mark.parametrize("model", ["unet", "autoencoder"])
def test_the_models_color_films(tmp_path: Path, model: str) -> None:
    source = write_video(tmp_path / "gray.mp4", moving(4))
    summary = colorize_video(source, tmp_path / "color.mp4", Colorizer.load(model))
    assert summary.frames == 4
    assert np.ptp(plane(read_frames(tmp_path / "color.mp4")[2], 1)) > 2


LIMITED = """
import resource, signal, sys
sys.path[:0] = sys.argv[3:]
from colorizer.video.colorize import colorize_video
from video_files import OneColor

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    colorize_video(sys.argv[1], sys.argv[2], OneColor(), part_seconds=0.5)
except OSError as error:
    print(error.errno)
"""


def test_where_the_disk_takes_no_more_what_is_done_stays(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "gray.mp4", moving(60, 96, 128)), tmp_path / "color.mp4"
    arguments = [sys.executable, "-c", LIMITED, str(source), str(target), str(ROOT), str(ROOT / "tests")]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert int(result.stdout) == errno.EFBIG
    assert not target.exists()
    assert colorize_video(source, target, OneColor(), part_seconds=0.5).frames == 60


def test_what_a_stopped_run_left_is_described(tmp_path: Path) -> None:
    source, target = write_video(tmp_path / "gray.mp4", moving(40)), tmp_path / "color.mp4"
    with pytest.raises(StopError):
        colorize_video(source, target, OneColor(), progress=stop_at(30), part_seconds=0.5)
    folder = tmp_path / ".color.mp4.unfinished"
    record = json.loads((folder / "record.json").read_text())
    assert set(record) == {"source", "settings", "versions", "fingerprint"}
    assert str(tmp_path) not in json.dumps(record)
    assert not list(folder.glob("*.part"))
