"""Visitors' videos are read in a separate process, within limits, and can't refer to other hosts."""

import io
import socket
import sys
from pathlib import Path

import gradio as gr
import numpy as np
import psutil
import pytest
from video_files import OneColor, moving, read_frames, write_video

from colorizer.demo import films
from colorizer.demo.decoding import LockedModel
from colorizer.demo.errors import as_gradio_errors
from colorizer.demo.tabs import video
from colorizer.imaging.decode import ImageError
from colorizer.video import VideoError
from colorizer.video.child import measure_length
from colorizer.video.messages import Limits, receive, send

LIMITS = Limits()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "garden.mp4", moving(30), sound="aac")


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "colorizer.video.child" in child.cmdline()]


def test_a_frame_to_look_at(film: Path, monkeypatch: pytest.MonkeyPatch):
    frame = films.read_still(film, LIMITS)
    expected = read_frames(film)[9].to_ndarray(format="rgb24")
    assert np.abs(frame.astype(int) - expected).mean() < 3
    monkeypatch.setattr(films, "spawn", None)  # It isn't read again.
    np.testing.assert_array_equal(films.read_still(film, LIMITS), frame)
    with pytest.raises(FileNotFoundError):
        films.read_still(film.parent / "gone" / "film.mp4", LIMITS)


def test_the_network_is_held_for_some_frames_only(film: Path, tmp_path: Path):
    asked: list[int] = []

    class Model(OneColor):
        def predict_chroma(self, lumas, **options):
            asked.append(len(lumas))
            return super().predict_chroma(lumas, **options)

    told = []
    for message in films.colorize_film(film, tmp_path / "color.mp4", LockedModel(Model()), 0.3, LIMITS, "a"):
        assert not LockedModel._lock.locked()  # A visitor with a photo isn't blocked.
        told.append(message)
    assert max(asked) <= 8
    assert told[-1]["done"]["frames"] == len(read_frames(tmp_path / "color.mp4")) == 30
    assert [message["frames"] for message in told[:-1]] == [0, 8, 16, 24, 30]
    assert not children()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["color.mp4", "garden.mp4"]


def test_a_film_is_canceled_and_others_go_on(film: Path, tmp_path: Path):
    progress = films.colorize_film(film, tmp_path / "color.mp4", LockedModel(OneColor()), 0.3, LIMITS, "a")
    next(progress)
    films.cancel("b")
    next(progress)
    films.cancel("a")
    with pytest.raises(films.Canceled):
        list(progress)
    assert not children()


def test_a_film_that_nobody_waits_for_is_ended(film: Path, tmp_path: Path):
    progress = films.colorize_film(film, tmp_path / "color.mp4", LockedModel(OneColor()), 0.3, LIMITS, "a")
    next(progress)
    progress.close()
    assert not children()
    assert not films._running


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits there")
def test_a_crash_and_too_much_time_are_told_in_words(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    progress = films.colorize_film(film, tmp_path / "color.mp4", LockedModel(OneColor()), 0.3, LIMITS, "a")
    next(progress)
    children()[0].send_signal(11)
    with pytest.raises(VideoError, match=r"^garden\.mp4 can't be decoded"):
        list(progress)
    monkeypatch.setattr(films, "_WALL_CLOCK_FACTOR", 0)
    with pytest.raises(VideoError, match=r"^garden\.mp4 takes too long"):
        films.read_still(film, LIMITS)


def test_a_process_that_ends_beside_another_is_told_in_words(film: Path, monkeypatch: pytest.MonkeyPatch):
    other = write_video(film.with_name("meadow.mp4"), moving(30))
    receive_soon = films.receive

    def receive_nothing(responses):
        monkeypatch.setattr(films, "receive", receive_soon)
        films.read_still(film, LIMITS)  # Another visitor's, in the meantime.

    monkeypatch.setattr(films, "receive", receive_nothing)
    with pytest.raises(VideoError, match=r"^meadow\.mp4 "):
        films.read_still(other, LIMITS)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(lines=36), r"garden\.mp4 has 64 × 48 pixels, and 64 × 36 is the limit"),
        (Limits(seconds=1), r"garden\.mp4 is too long; 1 seconds and 60 frames"),
        (Limits(rate=0), r"garden\.mp4 is too long; 30 seconds and 0 frames"),
    ],
)
def test_size_and_length_are_bounded_before_a_frame_is_decoded(
    film: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits, message: str
):
    with pytest.raises(VideoError, match=message):
        measure_length(film, limits)
    assert measure_length(film, LIMITS) == pytest.approx(29 / 25)


def test_what_can_not_be_written_is_refused_before_settings_are_chosen(tmp_path: Path):
    deep = write_video(tmp_path / "deep.mkv", moving(3, depth=10), codec="ffv1", pixels="yuv420p10le")
    with pytest.raises(
        VideoError, match=r"^deep\.mkv has 10 bits per sample, .*: convert it to 8 bits first$"
    ) as refused:
        films.read_still(deep, LIMITS)
    assert refused.value.advice == "convert it to 8 bits first"


def test_advice_is_given_once():
    for error, expected in (
        (VideoError("a.mp4 is too long", "shorten it"), "a.mp4 is too long: shorten it"),
        (ImageError("a.png has too much text", "save it without"), "a.png has too much text: save it without"),
        (VideoError("the last frame comes first"), "the last frame comes first. Try another one."),
    ):
        with pytest.raises(gr.Error) as refused, as_gradio_errors("Try another one."):
            raise error
        assert refused.value.message == expected


def write_playlists(folder: Path, private: Path, address: str) -> None:
    """Write files that refer to other files and hosts, each with a video's extension and with its own."""
    target = f"http://{address}/a.ts"
    for (kind, extension), text in {
        ("hls", "m3u8"): "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
        ("concat", "ffconcat"): "ffconcat version 1.0\nfile {}\n",
        ("dash", "mpd"): "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
        "mediaPresentationDuration='PT1S'><Period><AdaptationSet mimeType='video/mp4'><Representation id='1' "
        "bandwidth='9'><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        ("sdp", "sdp"): "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=video {address[-5:]} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }.items():
        for place, name in ((private.name, "file"), (target, "address")):
            for suffix in ("mp4", extension):
                (folder / f"{kind}-{name}.{suffix}").write_text(text.replace("{}", place))
    (folder / "image-%d.mp4").write_bytes(b"\x89PNG\r\n\x1a\n")


def test_playlists_are_refused_under_any_name(tmp_path: Path):
    folder = tmp_path / "brought"
    folder.mkdir()
    private = write_video(folder / "private.ts", moving(30))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        write_playlists(folder, private, f"127.0.0.1:{listener.getsockname()[1]}")
        for path in set(folder.iterdir()) - {private}:
            with pytest.raises(VideoError, match="is not a video that can be read"):
                measure_length(path, LIMITS)
        with pytest.raises(VideoError, match=r"hls-address\.mp4 is not a video that can be read"):
            films.read_still(folder / "hls-address.mp4", LIMITS)
        with pytest.raises(BlockingIOError):  # No connection was made.
            listener.accept()


def test_messages_come_as_they_were_sent():
    stream = io.BytesIO()
    arrays = [np.arange(6, dtype=np.uint8).reshape(2, 3), np.zeros((1, 2, 2), np.float32)]
    send(stream, {"predict": 2}, arrays)
    stream.seek(0)
    message, received = receive(stream)
    assert message == {"predict": 2}
    for one, other in zip(received, arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert receive(stream) is None


@pytest.mark.parametrize(
    "content",
    [
        b"words\n",
        b"[]\n",
        b"{}\n",
        b'{"arrays": [["object", 1]]}\n12345678',
        b'{"arrays": [["uint8", 100000, 100000]]}\n',
        b'{"arrays": [["uint8", -1, -1]]}\n0',
        b'{"arrays": [["uint8", 4]]}\n12',
        b'{"arrays": ' + b"[" * 90_000 + b"\n",
        b'{"arrays": []' + b" " * 200_000,
    ],
)
def test_receive_returns_none_for_invalid_messages(content: bytes):
    assert receive(io.BytesIO(content)) is None


def test_limits_are_set_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert films.read_limits() == (Limits(30, 720), 50_000_000)
    assert Limits().pixels == 1280 * 720
    monkeypatch.setenv("COLORIZER_VIDEO_LINES", "1080")
    monkeypatch.setenv("COLORIZER_VIDEO_MB", "20")
    assert films.read_limits() == (Limits(30, 1080), 20_000_000)
    monkeypatch.setenv("COLORIZER_VIDEO_SECONDS", "long")
    with pytest.raises(ValueError, match="COLORIZER_VIDEO_SECONDS must be a whole number from 1 to 600, got 'long'"):
        films.read_limits()


def test_without_pyav_the_tab_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(video, "can_read_videos", lambda: False)
    with gr.Blocks() as demo:
        video.build(demo, {})
    (words,) = [block.value for block in demo.blocks.values() if isinstance(block, gr.Markdown)]
    assert words == "This server can't colorize videos: videos need PyAV, which is not installed: pip install .[video]"
