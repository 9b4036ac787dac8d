"""Table of metrics, with an explanation, and display names of models."""

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from colorizer.inference.checkpoint import Checkpoint

MEANING = """
*Error vs. gray* is the squared error divided by that of the gray image: 100% is no better than gray. *PSNR* is the
same error in decibels; higher is better. *SSIM* measures how similar the structures are; 1 means identical. The best
model's number in each column is bold.
"""
GRAY = "Gray, no model"
"""The name of the gray baseline's row."""

_TITLES = {"autoencoder": "Autoencoder", "unet": "U-Net"}
_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("relative", "Error vs. gray", lambda value: f"{value:.0%}"),
    ("psnr", "PSNR", lambda value: f"{value:.1f} dB"),
    ("ssim", "SSIM", lambda value: f"{value:.3f}"),
)

Figures = Mapping[str, Any]


def title(model: str) -> str:
    """Return the display name of a model."""
    return _TITLES.get(model, model)


def raw_title(model: str) -> str:
    """Return the display name of a model's raw output."""
    return f"{title(model)} (raw output)"


def read_records(models: Iterable[str]) -> tuple[str, dict[str, Figures]]:
    """Read the metrics of models on the whole test set.

    Returns
    -------
    str and dict
        What was measured, in words, and figures by name of row; models that were measured on other data than the
        first one are left out.
    """
    words, rows, first = "", dict[str, Figures](), None
    for model in models:
        record = Checkpoint.find(model).read_record("metrics.json")
        if not record or (first is not None and record["data"]["sha256"] != first["data"]["sha256"]):
            continue
        if first is None:
            first = record
            rows[GRAY] = record["gray_baseline"]
            copies = ", saved as JPEG" if record["data"].get("encoding") == "JPEG" else ""
            words = f"All {record['n']:,} test images{copies}"
        rows[title(model)] = record
        if "raw" in record:
            rows[raw_title(model)] = record["raw"]
    return words, rows


def build_table(groups: Mapping[str, Mapping[str, Figures]]) -> str:
    """Format metrics as an HTML table.

    Parameters
    ----------
    groups : mapping of str to mapping
        By heading of a group of columns: figures (``mse``, ``psnr``, ``ssim``) by name of row, among them
        `GRAY`.
    """
    groups = {name: rows for name, rows in groups.items() if rows}
    names = list(dict.fromkeys(name for rows in groups.values() for name in rows))
    above = "".join(f"<th colspan='{len(_COLUMNS)}' scope='colgroup'>{html.escape(name)}</th>" for name in groups)
    heads = "".join(f"<th scope='col'>{words}</th>" for _ in groups for _, words, _ in _COLUMNS)
    body = ""
    for name in names:
        cells = "".join(_cell(rows, name, column) for rows in groups.values() for column, _, _ in _COLUMNS)
        body += f"<tr><th scope='row'>{html.escape(name)}</th>{cells}</tr>"
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='Figures'><table class='figures'><thead><tr><td></td>"
        f"{above}</tr><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(rows: Mapping[str, Figures], name: str, column: str) -> str:
    values = {row: _value(figures, rows[GRAY], column) for row, figures in rows.items()}
    value = values.get(name)
    if value is None:
        return "<td>–</td>"
    text = {key: form for key, _, form in _COLUMNS}[column](value)
    models = [other for row, other in values.items() if row != GRAY and other is not None]
    best = min(models, default=None) if column == "relative" else max(models, default=None)
    if name != GRAY and value == best:
        text = f"<strong>{text}</strong>"
    if column == "relative" and value > 1 and name != GRAY:
        text += "<br><small>worse than gray</small>"
    return f"<td>{text}</td>"


def _value(figures: Figures, gray: Figures, column: str) -> float | None:
    if column == "relative":
        # A true image that is gray itself leaves no error to compare with.
        return figures["mse"] / gray["mse"] if gray["mse"] else None
    return float(figures[column])
