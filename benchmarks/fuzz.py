"""Fuzz the decoders with thousands of damaged files: ``python benchmarks/fuzz.py --inputs 20000``.

Files of all formats are damaged at random: bytes changed, removed or duplicated, numbers made huge, files truncated or
joined. Each must give a valid image, which is encoded again with its metadata, or an `ImageError`. A separate process
with the demo's limits decodes them. A crash of native code counts as a failure, as does exceeding the memory or time
limit; a new process then continues after that input. ``--change grow`` repeats parts and enlarges numbers instead;
``--change archives`` does both to ZIP archives of images, which are processed as in the demo's batch, except for the
network. An input depends only on the seed and its number. The record goes to ``--output``; inputs that failed, to
``--keep``.
"""

import argparse
import io
import resource
import selectors
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener
from record import save_record

from colorizer.batch.archive import ArchiveError, Limits, colorize_archive
from colorizer.batch.report import Outcome
from colorizer.imaging.child import MEMORY, SECONDS, limit_memory
from colorizer.imaging.decode import ImageError, decode_image, decode_with_metadata
from colorizer.imaging.encode import encode_image

ROOT = Path(__file__).parent.parent
MAX_PIXELS = 16_000_000
SILENCE = 300.0  # Seconds after which an input counts as hung, on a machine that may be busy.


def photoshop(array: NDArray[Any], mode: int = 3) -> bytes:
    """Write (H, W, C) as a Photoshop document without layers: mode 3 is RGB, 4 CMYK, where the maximum is no ink."""
    height, width, channels = array.shape
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, 8 * array.itemsize, mode)
    return header + bytes(14) + np.moveaxis(array, 2, 0).astype(f">u{array.itemsize}").tobytes()


def make_files() -> dict[str, bytes]:
    """Make a small file of each kind, from a sample."""
    register_heif_opener()  # To write HEIC by Pillow.
    photo = decode_image(ROOT / "samples/photos/cat.jpg")
    image = np.asarray(cv2.resize(photo, (72, 48), interpolation=cv2.INTER_AREA), np.uint8)
    picture, deep = Image.fromarray(image), image.astype(np.uint16) * 257
    gray, rgba = picture.convert("L"), Image.fromarray(np.dstack([image, image[..., 0]]))
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2001:02:03 04:05:06"
    exif.get_ifd(0x8769)[0x9003] = "2001:02:03 04:05:06"
    extra = {
        "exif": exif.tobytes(),
        "dpi": (300, 300),
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "xmp": b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>',
    }

    def save(picture: Image.Image, format: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, format, **options)
        return buffer.getvalue()

    def opencv(array: Any, extension: str) -> bytes:
        return cv2.imencode(extension, array)[1].tobytes()

    def scan(array: NDArray[Any], **options: Any) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, metadata=None, **options)
        return buffer.getvalue()

    frames = {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    page = save(picture, "PCX")
    files = {
        "PNG": save(picture, "PNG", **extra),
        "PNG palette": save(picture.quantize(16), "PNG", transparency=3),
        "PNG 1 bit": save(picture.convert("1"), "PNG"),
        "PNG gray and alpha": save(rgba.convert("LA"), "PNG"),
        "PNG 16 bits": opencv(deep, ".png"),
        "PNG animated": save(picture, "PNG", **frames),
        "JPEG": save(picture, "JPEG", **extra),
        "JPEG progressive": save(picture, "JPEG", progressive=True, quality=95),
        "JPEG CMYK": save(picture.convert("CMYK"), "JPEG"),
        "WebP": save(picture, "WEBP", **extra),
        "WebP lossless": save(rgba, "WEBP", lossless=True),
        "WebP animated": save(picture, "WEBP", **frames),
        "AVIF": save(picture, "AVIF", exif=extra["exif"], icc_profile=extra["icc_profile"], speed=10),
        "HEIF": save(rgba, "HEIF", exif=extra["exif"]),
        "TIFF": save(picture, "TIFF", **extra),
        "TIFF LZW": save(rgba, "TIFF", compression="tiff_lzw"),
        "TIFF deflate": save(gray, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF JPEG": save(picture, "TIFF", compression="jpeg"),
        "TIFF fax": save(picture.convert("1"), "TIFF", compression="group4"),
        "TIFF CMYK": save(picture.convert("CMYK"), "TIFF", compression="packbits"),
        "TIFF pages": save(picture, "TIFF", **frames),
        "TIFF 16 bits": opencv(deep, ".tif"),
        "TIFF float": opencv(np.float32(image) / 255, ".tif"),
        "TIFF palette": save(picture.quantize(16), "TIFF"),
        "TIFF tiles": scan(image, photometric="rgb", tile=(16, 32), compression="deflate", predictor=True),
        "TIFF Zstandard": scan(
            np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate", rowsperstrip=9, compression="zstd"
        ),
        "TIFF LZMA": scan(deep[..., 0], photometric="minisblack", compression="lzma"),
        "TIFF WebP": scan(image, photometric="rgb", tile=(32, 32), compression="webp"),
        "BigTIFF": scan((image / 255).astype(np.float16), photometric="rgb", bigtiff=True, byteorder=">"),
        "PSD": photoshop(image),
        "PSD 16 bits": photoshop(deep),
        "JPEG XL": bytes(imagecodecs.jpegxl_encode(image, effort=1)),
        "JPEG 12 bits": bytes(imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12)),
        "JPEG without loss": bytes(imagecodecs.jpeg8_encode(image, lossless=True)),
        "JPEG 2000, 16 bits": bytes(imagecodecs.jpeg2k_encode(deep, level=0)),
        "AVIF animated": save(picture, "AVIF", speed=10, **frames),
        "HEIF of several": save(picture, "HEIF", **frames),
        "DCX": struct.pack("<4I", 0x3ADE68B1, 16, 16 + len(page), 0) + page * 2,
        "BMP": save(picture, "BMP"),
        "BMP palette": save(picture.quantize(16), "BMP"),
        "GIF": save(picture.quantize(32), "GIF", transparency=1),
        "GIF animated": save(picture, "GIF", **frames),
        "JPEG 2000": save(picture, "JPEG2000"),
        "PPM": save(picture, "PPM"),
        "PGM 16 bits": opencv(deep[..., 0], ".pgm"),
    }
    others = {"TGA": rgba, "PCX": picture, "ICO": rgba, "ICNS": rgba, "SGI": picture, "DDS": rgba, "QOI": rgba}
    others |= {"IM": picture, "MSP": picture.convert("1"), "XBM": picture.convert("1"), "SPIDER": picture.convert("F")}
    return files | {format: save(picture, format) for format, picture in others.items()}


def damage(files: list[bytes], rng: np.random.Generator) -> bytes:
    """Damage one of the files in one to eight places."""
    content = bytearray(files[rng.integers(len(files))])

    def change(at: int) -> None:
        content[at] = rng.integers(256)

    def flip(at: int) -> None:
        content[at] ^= 1 << rng.integers(8)

    def enlarge(at: int) -> None:
        values = (
            b"\xff\xff\xff\xff",
            b"\x7f\xff\xff\xff",
            b"\0\0\0\0",
            b"\0\0\xff\xff",
            b"\xff\x7f\0\0",
            b"\x80\0\0\0",
        )
        size = int(rng.integers(1, 5))
        content[at : at + size] = values[rng.integers(len(values))][:size]

    def cut_out(at: int) -> None:
        del content[at : at + int(rng.integers(1, 64))]

    def double(at: int) -> None:
        content[at:at] = content[at : at + int(rng.integers(1, 64))]

    def truncate(at: int) -> None:
        del content[at:]

    def join(at: int) -> None:
        other = files[rng.integers(len(files))]
        content[at:] = other[int(rng.integers(len(other))) :]

    kinds: list[Callable[[int], None]] = [change, flip, enlarge, cut_out, double, truncate, join]
    for _ in range(rng.integers(1, 9)):
        kind = kinds[rng.choice(len(kinds), p=[0.3, 0.25, 0.2, 0.08, 0.08, 0.05, 0.04])]
        if content:
            # Half of the damage goes to the beginning, where sizes and tables stand.
            reach = min(len(content), 256) if rng.random() < 0.5 else len(content)
            kind(int(rng.integers(reach)))
    return bytes(content)


def grow(files: list[bytes], rng: np.random.Generator) -> bytes:
    """Change what grows with size and count: parts repeated by the thousand, huge numbers, long stretches put in."""
    content = bytearray(files[rng.integers(len(files))])
    at, count = int(rng.integers(len(content))), int(10 ** rng.uniform(1, 4.5))

    def repeat() -> None:
        part = bytes(content[at : at + int(rng.integers(1, 200))])
        content[at:at] = part * min(count, 3_000_000 // max(len(part), 1))

    def enlarge() -> None:
        values = (b"\xff\xff", b"\x20\0", b"\0\x20", b"\x7f\xff", b"\0\0\x40\0", b"\0\x40\0\0")
        for _ in range(3):
            place, value = int(rng.integers(4, min(len(content), 80))), values[rng.integers(len(values))]
            content[place : place + len(value)] = value

    def double() -> None:
        content.extend(bytes(content) * min(count, 2_000_000 // len(content)))

    def fill() -> None:
        content[at:at] = rng.integers(0, 256, count * 30, dtype=np.uint8).tobytes()

    def blank() -> None:
        content[at:at] = bytes(count * 60)

    kinds: list[Callable[[], None]] = [repeat, enlarge, double, fill, blank]
    kinds[rng.integers(len(kinds))]()
    return bytes(content)


def change_archive(files: list[bytes], rng: np.random.Generator) -> bytes:
    """Put some of the files into a ZIP archive, and damage that, or change what grows; half of the time both."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(rng.integers(1, 6)):
            name = ("a.png", "folder/b.jpg", "ä/日本.tif", "../c.webp", "d.txt")[i]
            way = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)[rng.integers(3)]
            archive.writestr(name, files[rng.integers(len(files))], way)
    content = buffer.getvalue()
    kind = rng.integers(3)
    content = grow([content], rng) if kind else content
    return content if kind == 1 or not content else damage([content], rng)


def try_archive(content: bytes) -> str:
    """Colorize an archive but for the network: ``archive``, or the name of the error that a person is told."""
    with tempfile.TemporaryDirectory() as folder:
        path, limits = Path(folder) / "a.zip", Limits(pixels=MAX_PIXELS)
        path.write_bytes(content)
        try:
            outcomes: list[Outcome] = colorize_archive([path], Path(folder) / "b.zip", lambda image, job: image, limits)
        except (ArchiveError, ImageError) as error:
            return type(error).__name__
        _check_words(*(outcome.reason for outcome in outcomes))
        with zipfile.ZipFile(Path(folder) / "b.zip") as archive:
            if broken := archive.testzip():
                raise ValueError(f"{broken} is broken")
        return "archive"


def _check_words(*words: str) -> None:
    """Raise `MemoryError` if something was refused only when there was no more memory."""
    if any("not enough memory" in each for each in words):
        raise MemoryError(words)


def try_decode(content: bytes) -> str:
    """Decode and encode again: ``image`` or ``ImageError``; anything else is raised."""
    try:
        image, metadata = decode_with_metadata(content, max_pixels=MAX_PIXELS)
    except ImageError as error:
        _check_words(str(error))
        return "ImageError"
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (3, 4) or not image.size:
        raise ValueError(f"no image: {image.dtype} of shape {image.shape}")
    if image.size <= 1_000_000:
        for format in ("JPEG", "TIFF", "WEBP", "PNG"):
            encode_image(image, format, metadata)
    return "image"


CHANGES = {"damage": damage, "grow": grow, "archives": change_archive}


def work(seed: int, first: int, last: int, change: str) -> None:
    """Decode a range of inputs, and print of each: number, end, seconds of the processor, memory in MB."""
    warnings.simplefilter("ignore")
    files = list(make_files().values())
    cv2.setNumThreads(1)
    attempt = try_archive if change == "archives" else try_decode
    for content in files:  # What is loaded when it is first needed is no part of an input's memory.
        attempt(content)
    limit_memory(MEMORY)
    for number in range(first, last):
        content = CHANGES[change](files, np.random.default_rng((seed, number)))
        started = time.process_time()
        try:
            end = attempt(content)
        except Exception as error:
            end = f"{type(error).__name__}: {error}".replace("\n", " ").replace("\t", " ")[:200]
        seconds = time.process_time() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(number, end, f"{seconds:.3f}", f"{memory:.0f}", sep="\t", flush=True)


def main() -> None:
    """Run the workers, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--change", choices=CHANGES, default="damage", help="few bytes; what grows with size and count; archives"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/fuzz.json")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    parser.add_argument("--range", type=int, nargs=2, help=argparse.SUPPRESS)  # What a worker is given.
    options = parser.parse_args()
    if options.range:
        first, last = options.range
        work(options.seed, first, last, options.change)
        return
    ends: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    slowest, memory, number, started = 0.0, 0.0, 0, time.monotonic()
    while number < options.inputs:
        command = [sys.executable, __file__, "--seed", str(options.seed), "--change", options.change]
        command += ["--range", str(number), str(options.inputs)]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        assert worker.stdout is not None
        selector = selectors.DefaultSelector()
        selector.register(worker.stdout, selectors.EVENT_READ)
        before = number
        while selector.select(SILENCE) and (line := worker.stdout.readline().decode()):
            _, end, seconds, used = line.rstrip("\n").split("\t")
            slowest, memory = max(slowest, float(seconds)), max(memory, float(used))
            if end not in ("image", "archive", "ImageError", "ArchiveError") or float(seconds) > SECONDS:
                failures.append({"input": number, "end": end, "seconds": float(seconds)})
                print(failures[-1], flush=True)
                end = "failure"
            ends[end] += 1
            number += 1
            if number % 1000 == 0:
                print(number, dict(ends), f"{time.monotonic() - started:.0f} s", flush=True)
        if number < options.inputs:
            if number == before and not before:
                sys.exit("no worker starts: run this script with --range 0 1 to see why")
            hung = worker.poll() is None and not selector.select(0)
            worker.kill()
            failures.append({"input": number, "end": "hung" if hung else f"died with {worker.wait()}"})
            ends["failure"] += 1
            number += 1
        worker.wait()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        files = list(make_files().values())
        for failure in failures:
            content = CHANGES[options.change](files, np.random.default_rng((options.seed, failure["input"])))
            (options.keep / str(failure["input"])).write_bytes(content)
    record = {
        "inputs": options.inputs,
        "seed": options.seed,
        "change": options.change,
        "kinds of files": len(make_files()),
        "ends": dict(ends),
        "failures": failures,
        "slowest, s of the processor": slowest,
        "largest resident memory, MB": memory,
        "limits": {"pixels": MAX_PIXELS, "growth of memory, bytes": MEMORY, "s of the processor": SECONDS},
    }
    packages = "numpy", "opencv-python-headless", "pillow", "pillow-heif", "tifffile", "imagecodecs"
    save_record(options.output, record, *packages)


if __name__ == "__main__":
    main()
