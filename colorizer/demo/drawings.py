"""Drawings in HTML and SVG: the layers of a network, the curves of its training, a latent vector.

Labels are HTML around the SVG, so that they are readable at any screen and font size.
"""

import html
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 600, 200  # In SVG units; the size on the screen may differ.
_IN_A_ROW = 12  # Stages that fit side by side on a desktop screen.
_MAX_SIZE = 64  # Picture size in the network, in pixels, up to which boxes grow.
_SIDE_BRANCHES = ("hints", "decoder_hints", "mean", "whole")  # Of the U-Net; how their layers' names begin.


class Stage(NamedTuple):
    """Consecutive layers that are drawn as one box.

    Attributes
    ----------
    shape : tuple of int
        Output shape of the last layer: height, width and channels, or the length of a vector.
    layers : tuple of str
        Names of the layers, in order.
    kinds : tuple of str
        Their types, without repetition.
    parameters : int
        Number of parameters in all of them.
    part : str
        The submodel that they belong to; empty if there is none.
    """

    shape: tuple[int, ...]
    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    parameters: int
    part: str


def draw_contents(titles: Sequence[str]) -> str:
    """Draw a table of contents: links to the headings by `draw_heading`."""
    items = "".join(f"<li><a href='#part-{i}'>{html.escape(title)}</a></li>" for i, title in enumerate(titles))
    return f"<nav class='contents' aria-label='On this page'><ol>{items}</ol></nav>"


def draw_heading(number: int, title: str) -> str:
    """Draw the heading of a section, by its number in the table of contents."""
    return f"<h3 id='part-{number}'>{html.escape(title)}</h3>"


def draw_layers(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw a network's layers: one box per stage, its height for the picture size, its width for the channels.

    A few stages are in one row: those of an autoencoder form an hourglass. A network with many has a box per scale.
    """
    grouped = group_layers(rows)
    if len(grouped) > _IN_A_ROW:
        grouped = group_scales(rows)
    stages = "".join(_draw_stage(stage) for stage in grouped)
    kind = "layers row" if len(grouped) <= _IN_A_ROW else "layers"
    highest = max(map(_height, grouped), default=0)
    cells = "".join(
        f"<tr><td>{html.escape(' / '.join(filter(None, (row.get('part'), row['name']))))}</td>"
        f"<td>{html.escape(row['type'])}</td><td>{_shape(row['shape'])}</td><td>{row['parameters']:,}</td></tr>"
        for row in rows
    )
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='Layers'><ol class='{kind}' "
        f"style='--highest:{highest}px'>{stages}</ol></div>"
        f"<details><summary>All {len(rows)} layers</summary>"
        "<div class='wide' tabindex='0' role='region' aria-label='All layers'><table><thead><tr><th>Layer</th>"
        f"<th>Kind</th><th>Output</th><th>Parameters</th></tr></thead><tbody>{cells}</tbody></table></div></details>"
    )


def _height(stage: Stage) -> int:
    """Height of a stage's box in pixels."""
    return 12 if len(stage.shape) == 1 else 12 + 2 * min(stage.shape[0], _MAX_SIZE)


def _draw_stage(stage: Stage) -> str:
    width = 8 * math.log2(stage.shape[-1] + 1)
    kind = "vector" if len(stage.shape) == 1 else stage.part or "plain"
    names = stage.layers[0] if len(stage.layers) == 1 else f"{len(stage.layers)} layers"
    return (
        f"<li><span class='stage'><span class='box {html.escape(kind)}' "
        f"style='height:{_height(stage)}px;width:{width:.0f}px'></span></span>"
        f"<b>{_shape(stage.shape)}</b><span>{html.escape(names)}</span>"
        f"<span>{html.escape(stage.kinds[0])}</span><span>{stage.parameters:,} parameters</span></li>"
    )


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(str(length) for length in shape)


def draw_curves(history: Sequence[Mapping[str, str]], best_epoch: int | None) -> str:
    """Draw loss and validation loss by epoch, from the rows of a ``history.csv``; a line marks the best epoch."""
    curves = {
        name: [float(row[column]) for row in history]
        for name, column in (("training", "loss"), ("validation", "val_loss"))
    }
    values = [value for curve in curves.values() for value in curve]
    low, high = min(values), max(values)
    last = max(len(history) - 1, 1)

    def place(epoch: int, value: float) -> str:
        return f"{epoch / last * _WIDTH:.1f},{(high - value) / ((high - low) or 1) * _HEIGHT:.1f}"

    lines = "".join(
        f"<polyline class='{name}' points='{' '.join(place(i, value) for i, value in enumerate(curve))}'/>"
        for name, curve in curves.items()
    )
    best = ""
    if best_epoch:
        x = (best_epoch - 1) / last * _WIDTH
        lines += f"<line class='best' x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{_HEIGHT}'/>"
        best = f" The weights of epoch {best_epoch} were kept: they did best on the validation images."
    ends = ", ".join(f"{name} from {curve[0]:.3g} to {curve[-1]:.3g}" for name, curve in curves.items())
    return (
        f"<figure class='curves'><div class='keys'><span class='training'>training loss</span>"
        f"<span class='validation'>validation loss</span></div><div class='plot'><span class='high'>{high:.3g}</span>"
        f"<span class='low'>{low:.3g}</span>{_svg(lines, f'Loss by epoch: {ends}')}</div>"
        f"<div class='epochs'><span>epoch 1</span><span>epoch {len(history)}</span></div>"
        f"<figcaption>Loss by epoch: {ends}.{best}</figcaption></figure>"
    )


def draw_vector(vector: NDArray[np.float32]) -> str:
    """Draw the numbers of a vector, (N,) float32, as bars above and below a center line; as SVG."""
    largest = float(np.abs(vector).max()) or 1.0
    step = _WIDTH / len(vector)
    bars = "".join(
        f"<rect class='{'up' if value >= 0 else 'down'}' x='{i * step:.2f}' width='{step * 0.8:.2f}' "
        f"y='{(1 - max(value, 0) / largest) * _HEIGHT / 2:.1f}' height='{abs(value) / largest * _HEIGHT / 2:.1f}'/>"
        for i, value in enumerate(vector.tolist())
    )
    words = f"{len(vector)} numbers from {vector.min():.1f} to {vector.max():.1f}"
    return (
        f"<figure class='bars'>{_svg(bars, f'The latent vector: {words}')}"
        f"<figcaption>Latent vector: {words}</figcaption></figure>"
    )


def _svg(content: str, words: str) -> str:
    return (
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' preserveAspectRatio='none' role='img' "
        f"aria-label='{html.escape(words, quote=True)}'>{content}</svg>"
    )


def group_layers(rows: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Group the rows of `list_layers` into stages: consecutive layers with the same output shape."""
    groups = groupby(rows, lambda row: (row.get("part", ""), tuple(row["shape"])))
    return [_build_stage(list(members), part) for (part, _), members in groups]


def group_scales(rows: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Group the rows of `list_layers` of a U-Net by picture size, on the way down and up; side branches are left out.

    A block, whose layers' names have a common prefix, counts with the size of its output.
    """
    main = [row for row in rows if not row["name"].startswith(_SIDE_BRANCHES)]
    sizes = {_block(row): row["shape"][:-1] for row in main}
    groups = [list(members) for _, members in groupby(main, lambda row: sizes[_block(row)])]
    smallest = min(range(len(groups)), key=lambda i: groups[i][-1]["shape"][0], default=0)
    return [_build_stage(members, "decoder" if i > smallest else "") for i, members in enumerate(groups)]


def _block(row: Mapping[str, Any]) -> str:
    return str(row["name"]).partition("_")[0]


def _build_stage(rows: Sequence[Mapping[str, Any]], part: str) -> Stage:
    kinds = tuple(dict.fromkeys(str(row["type"]) for row in rows))
    names = tuple(str(row["name"]) for row in rows)
    return Stage(tuple(rows[-1]["shape"]), names, kinds, sum(int(row["parameters"]) for row in rows), part)
