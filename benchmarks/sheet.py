"""Blind pairs to judge two models by: ``python benchmarks/sheet.py MODEL MODEL FOLDER``.

Each sheet shows some photographs, a row each: gray, then the two models' results as A and B. Which model is A is drawn
anew for each row, so that whoever judges doesn't know. The key is a file of its own, ``key.json``: look at it only when
all rows are judged. A file with lines such as ``17 A``, one a row, or ``17 =`` where neither is better, is counted by
``--judged FILE``. Sheets and key go to the folder that ``--output`` names.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from colorizer.imaging.color import fit_within, gray_copy
from colorizer.imaging.decode import decode_image, readable_extensions
from colorizer.imaging.encode import save_image
from colorizer.inference.colorizer import DEFAULT_VIVIDNESS, Colorizer

MARGIN = 8
TITLE = 28
KEY = "key.json"


def choose_photos(folder: Path, count: int, seed: int) -> list[Path]:
    """Choose photographs of a folder and its folders, the same ones for the same seed, in an order drawn by chance."""
    extensions = readable_extensions()
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in extensions)
    if not paths:
        raise SystemExit(f"no image in {folder}")
    return random.Random(seed).sample(paths, min(count, len(paths)))


def draw_key(models: tuple[str, str], count: int, seed: int) -> list[dict[str, str]]:
    """Draw which model is A and which is B, for each row."""
    rng = random.Random(seed + 1)
    return [dict(zip("AB", rng.sample(models, 2), strict=True)) for _ in range(count)]


def draw_row(number: int, pictures: dict[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Draw pictures (H, W, 3) of one size side by side under their titles."""
    height, width = next(iter(pictures.values())).shape[:2]
    row = np.full((TITLE + height + MARGIN, len(pictures) * (width + MARGIN) + MARGIN, 3), 255, np.uint8)
    for column, (title, picture) in enumerate(pictures.items()):
        left = MARGIN + column * (width + MARGIN)
        cv2.putText(
            row, f"{number} {title}", (left, TITLE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA
        )
        row[TITLE : TITLE + height, left : left + width] = picture
    return row


def stack_rows(rows: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put rows of different widths below one another on white."""
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate(padded)


def count_votes(text: str, key: list[dict[str, str]]) -> dict[str, int]:
    """Count lines such as ``17 A`` by model; ``neither`` counts those with another sign.

    Raises
    ------
    ValueError
        If a line names no row, or a row is judged twice.
    """
    votes: Counter[str] = Counter()
    seen: set[int] = set()
    for line in filter(None, map(str.strip, text.splitlines())):
        number, _, choice = line.partition(" ")
        if not number.isdigit() or not 1 <= int(number) <= len(key) or int(number) in seen:
            raise ValueError(f"{line!r}: a number from 1 to {len(key)}, each once, is followed by A, B or =")
        seen.add(int(number))
        votes[key[int(number) - 1].get(choice.strip(), "neither")] += 1
    return dict(votes)


def main() -> None:
    """Draw the sheets, or count what was judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs=2, metavar="MODEL")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100, help="photographs (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=10, help="photographs of a sheet (default: %(default)s)")
    parser.add_argument("--size", type=int, default=320, help="long side of a picture in pixels (default: %(default)s)")
    parser.add_argument(
        "--vividness", type=float, nargs="+", default=[DEFAULT_VIVIDNESS], help="of both models, or of each"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/sheets"))
    parser.add_argument("--judged", type=Path, help="count the lines of this file by the key in --output, draw nothing")
    options = parser.parse_args()
    if options.judged:
        key: dict[str, Any] = json.loads((options.output / KEY).read_text())
        print(count_votes(options.judged.read_text(), key["rows"]))
        return
    if options.models[0] == options.models[1]:
        raise SystemExit("two different models are needed")
    if len(options.vividness) > 2:
        raise SystemExit(f"one vividness is needed, or one for each model, got {len(options.vividness)}")

    colorizers = {model: Colorizer.load(model) for model in options.models}
    vividness = dict(zip(options.models, (options.vividness[0], options.vividness[-1]), strict=True))
    paths = choose_photos(options.folder, options.count, options.seed)
    rows = draw_key(tuple(options.models), len(paths), options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(paths), options.rows):
        drawn = []
        for number in range(start, min(start + options.rows, len(paths))):
            photo = fit_within(decode_image(paths[number])[:, :, :3], options.size)
            pictures = {"gray": gray_copy(photo)}
            for letter, model in rows[number].items():
                pictures[letter] = colorizers[model].colorize(photo, vividness=vividness[model])
            drawn.append(draw_row(number + 1, pictures))
        save_image(stack_rows(drawn), options.output / f"sheet-{start // options.rows + 1:02}.png")
    record = {"vividness": vividness, "seed": options.seed, "rows": rows}
    (options.output / KEY).write_text(json.dumps(record, indent=2) + "\n")
    print(f"{len(paths)} photographs in {options.output}; the key is {options.output / KEY}")


if __name__ == "__main__":
    main()
