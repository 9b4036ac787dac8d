"""Speed, memory, flicker and error of videos: ``python benchmarks/video.py``, on an otherwise idle machine.

Flicker and error are measured on videos with ground truth (`benchmarks.films`), relative to the same frames colorized
one by one. Speed is measured at three sizes, with the share of each step, and compared with only decoding and encoding
the colorized video. ``--only quality``, ``--only speed`` and ``--only memory`` update a part of the record,
``benchmarks/results/video.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import av
import cv2
import numpy as np
from films import Film, make_films, measure_flicker
from numpy.typing import NDArray
from tqdm import tqdm

from colorizer.evaluation.metrics import colorfulness
from colorizer.imaging.color import join, resize, to_luma
from colorizer.imaging.decode import decode_image
from colorizer.imaging.upsampling import fit_chroma
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer
from colorizer.machine import describe_machine, describe_versions
from colorizer.video import colorize, planes
from colorizer.video.reading import Film as Source
from colorizer.video.steadying import EVERY, Steadier
from colorizer.video.writing import Part, open_encoder, plan_writing

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "benchmarks/results/video.json"
SIZES = {"480p": (480, 854), "720p": (720, 1280), "1080p": (1080, 1920)}
SPEED_FRAMES, RATE = 150, 25
MEMORY_FRAMES, MEMORY_SIZE = (1_000, 10_000), (180, 320)
TOGETHER = 8


def measure_quality(colorizer: Colorizer, folders: list[Path]) -> list[dict[str, Any]]:
    """Measure flicker, error and colorfulness of steadied films over those of films colored frame by frame."""
    rows = []
    films = list(make_films(folders))
    for vividness in (0.0, DEFAULT_VIVIDNESS):
        for name, film in tqdm(films, unit="film", disable=None):
            lumas = [to_luma(frame) for frame in film.frames]
            predicted = colorizer.predict_chroma(lumas, vividness=vividness)
            alone = [steady([luma], [chroma])[0] for luma, chroma in zip(lumas, predicted, strict=True)]
            row: dict[str, Any] = {"film": name, "vividness": vividness}
            for kind, pairs in (("frame by frame", alone), ("steadied", steady(lumas, predicted))):
                row[kind] = _judge(film, lumas, pairs)
            row["flicker ratio"] = round(row["steadied"]["flicker"] / row["frame by frame"]["flicker"], 3)
            rows.append(row)
    return rows


def steady(
    lumas: list[NDArray[np.uint8]], predicted: list[NDArray[np.float32]]
) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Steady what was predicted for some frames."""
    places = {id(luma): chroma for luma, chroma in zip(lumas, predicted, strict=True)}
    steadier = Steadier(lambda given: [places[id(luma)] for luma in given])
    return [pair for i in range(0, len(lumas), TOGETHER) for pair in steadier.steady(lumas[i : i + TOGETHER])]


def _judge(
    film: Film, lumas: list[NDArray[np.uint8]], pairs: list[tuple[NDArray[np.uint8], NDArray[np.float32]]]
) -> dict[str, float]:
    chromas = [_to_full_size(luma, *pair) for luma, pair in zip(lumas, pairs, strict=True)]
    pictures = [join(luma, chroma) for luma, chroma in zip(lumas, chromas, strict=True)]
    truth = [frame.astype(np.float32) / 255 for frame in film.frames]
    errors = [((picture / np.float32(255) - true) ** 2).mean() for picture, true in zip(pictures, truth, strict=True)]
    gray = [((luma[..., None] / np.float32(255) - true) ** 2).mean() for luma, true in zip(lumas, truth, strict=True)]
    return {
        "flicker": round(measure_flicker(film, chromas), 6),
        "mse": round(float(np.mean(errors)), 6),
        "mse_gray_baseline": round(float(np.mean(gray)), 6),
        "colorfulness": round(float(np.mean([colorfulness(picture) for picture in pictures])), 3),
    }


def _to_full_size(
    luma: NDArray[np.uint8], small: NDArray[np.uint8], chroma: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Bring steady chroma to the size of its frame as `colorizer.video.planes` does, without rounding it to levels."""
    height, width = luma.shape
    slope, offset = (resize(plane, height, width, cv2.INTER_LINEAR) for plane in fit_chroma(small, chroma))
    return np.asarray(slope * (luma[..., None] / np.float32(255)) + offset, np.float32)


def summarize(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Give the figures of all films together: sums over sums, and the mean ratio of colorfulness."""

    def total(kind: str, figure: str) -> float:
        return float(sum(row[kind][figure] for row in rows))

    colors = [row["steadied"]["colorfulness"] / row["frame by frame"]["colorfulness"] for row in rows]
    return {
        "flicker ratio": round(total("steadied", "flicker") / total("frame by frame", "flicker"), 4),
        "relative_mse, frame by frame": round(
            total("frame by frame", "mse") / total("frame by frame", "mse_gray_baseline"), 4
        ),
        "relative_mse, steadied": round(total("steadied", "mse") / total("steadied", "mse_gray_baseline"), 4),
        "colorfulness ratio": round(float(np.mean(colors)), 4),
    }


def write_source(path: Path, size: tuple[int, int], count: int, photo: Path) -> None:
    """Write a gray film of a slow pan over a photograph, with some grain."""
    height, width = size
    gray = to_luma(decode_image(photo)[..., :3])
    scale = 1.15 * max(height / gray.shape[0], width / gray.shape[1])
    gray = resize(gray, round(gray.shape[0] * scale), round(gray.shape[1] * scale), cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    grains = rng.integers(-4, 5, (4, height, width), dtype=np.int8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(count):
            phase = 0.5 - 0.5 * np.cos(i / 80)
            top, left = int(phase * (gray.shape[0] - height)), int(phase * (gray.shape[1] - width))
            picture = cv2.add(
                gray[top : top + height, left : left + width].astype(np.int16), grains[i % 4].astype(np.int16)
            )
            frame = av.VideoFrame(width, height, "yuv420p")
            planes.view(frame, 0)[:] = np.clip(picture, 16, 235)
            planes.view(frame, 1)[:] = planes.view(frame, 2)[:] = 128
            frame.pts = i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@contextmanager
def timed(seconds: dict[str, float]) -> Iterator[None]:
    """Measure the steps of `colorize_video` while it runs."""

    def clock(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*given: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*given, **options)
            finally:
                seconds[step] += time.perf_counter() - started

        return measured

    decode = Source._decode

    def decoded(self: Source) -> Iterator[Any]:
        frames = decode(self)
        while True:
            frame = clock("decode", next)(frames, None)
            if frame is None:
                return
            yield frame

    with (
        mock.patch.object(Source, "_decode", decoded),
        mock.patch.object(colorize, "_predict", clock("network", colorize._predict)),
        mock.patch.object(Steadier, "_follow", clock("flow", Steadier._follow)),
        mock.patch.object(colorize, "add_color", clock("join", colorize.add_color)),
        mock.patch.object(Part, "add", clock("encode", Part.add)),
    ):
        yield


def recode(source: Path, folder: Path) -> float:
    """Decode a film and encode it anew with the same settings; give the seconds that takes."""
    started = time.perf_counter()
    with Source.open(source) as film:
        look = planes.describe(film.first, film.stream.sample_aspect_ratio, film.is_interlaced, source.name)
        plan = plan_writing(film, look, folder / "again.mp4", lossless=False)
        with Part(folder / "again", open_encoder(film, look, plan)) as part:
            for frame in film.frames():
                part.add(frame)
            part.add(None)
    return time.perf_counter() - started


def measure_speed(colorizer: Colorizer, photo: Path) -> dict[str, Any]:
    """Measure frames a second at each size, and what each step takes of the time."""
    figures = {}
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_source(folder / "gray.mp4", size, SPEED_FRAMES, photo)
            seconds: dict[str, float] = defaultdict(float)
            started = time.perf_counter()
            with timed(seconds):
                colorize.colorize_video(folder / "gray.mp4", folder / "color.mp4", colorizer)
            whole = time.perf_counter() - started
            alone = recode(folder / "color.mp4", folder)
        figures[name] = {
            "frames a second": round(SPEED_FRAMES / whole, 1),
            "over decoding and encoding alone": round(whole / alone, 2),
            "shares": {step: round(spent / whole, 3) for step, spent in sorted(seconds.items())},
        }
        print(name, figures[name], flush=True)
    return figures


REMEMBER = """
import json, sys
from pathlib import Path
from colorizer.inference.colorizer import Colorizer
from colorizer.video.colorize import colorize_video

taken = {}

def tell(done, total):
    if done >= 100:
        now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
        taken.setdefault("frame 100", int(now.split()[1]) / 1000)
        taken["end"] = int(now.split()[1]) / 1000

colorize_video(sys.argv[1], sys.argv[2], Colorizer.load(sys.argv[3]), progress=tell)
print(json.dumps(taken))
"""


def measure_memory(model: str, photo: Path) -> dict[str, Any]:
    """Measure the resident memory after 100 frames and at the end, in MB."""
    figures = {}
    for count in MEMORY_FRAMES:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "gray.mp4"
            write_source(source, MEMORY_SIZE, count, photo)
            arguments = [sys.executable, "-c", REMEMBER, str(source), str(Path(folder) / "color.mp4"), model]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            result = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
        figures[f"{count} frames"] = {key: round(value, 1) for key, value in json.loads(result.stdout).items()}
        print(count, figures[f"{count} frames"], flush=True)
    return figures


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="photographs (default: those of samples)")
    parser.add_argument("--model", default="unet")
    parser.add_argument("--only", choices=["quality", "speed", "memory"])
    options = parser.parse_args()
    folders = options.folders or [
        path for path in (ROOT / "samples/photos", ROOT / "samples/historic") if path.is_dir()
    ]
    colorizer = Colorizer.load(options.model)
    photo = ROOT / "samples/photos/astronaut.jpg"
    record: dict[str, Any] = json.loads(RECORD.read_text()) if options.only and RECORD.exists() else {}
    if options.only in (None, "quality"):
        rows = measure_quality(colorizer, folders)
        record["quality"] = {"every": EVERY, "together": summarize(rows), "films": rows}
        print(json.dumps(record["quality"]["together"], indent=1))
    if options.only in (None, "speed"):
        record["speed"] = measure_speed(colorizer, photo)
    if options.only in (None, "memory"):
        record["resident memory, MB"] = measure_memory(options.model, photo)
    record |= {"model": options.model, "machine": describe_machine(), "versions": describe_versions("av")}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
