"""Figures as a table, with a few words on what they mean, and the names that models have on the page."""

from collections.abc import Iterable, Mapping
from typing import Any

from colorizer.inference.checkpoint import Checkpoint

MEANING = """
*Relative MSE*: squared error against the true colors over the gray baseline's; 100% is no better than gray.
*PSNR*: the same error in decibels; higher is better. *SSIM*: how alike the structures are; 1 is equal.
"""

_TITLES = {"autoencoder": "Autoencoder", "unet": "U-Net"}


def title(model: str) -> str:
    """Name a model as people read it."""
    return _TITLES.get(model, model)


def build_table(gray: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out figures (``mse``, ``psnr``, ``ssim``) of the gray baseline and of results by their names in Markdown."""
    lines = ["| | Relative MSE | PSNR | SSIM |", "|:--|--:|--:|--:|"]
    for name, figures in {"Gray baseline": gray, **results}.items():
        # A true image that is gray itself leaves no error to compare with.
        relative = f"{figures['mse'] / gray['mse']:.0%}" if gray["mse"] else "–"
        lines.append(f"| {name} | {relative} | {figures['psnr']:.1f} dB | {figures['ssim']:.3f} |")
    return "\n".join(lines)


def describe_records(models: Iterable[str]) -> str:
    """Tell how well models do over the whole test set, by their records; those of the same data in one table."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for model in models:
        if record := Checkpoint.find(model).read_record("metrics.json"):
            groups.setdefault(record["data"]["sha256"], []).append((model, record))
    return "\n".join(_describe(records) for records in groups.values())


def _describe(records: list[tuple[str, dict[str, Any]]]) -> str:
    gray, data, count = records[0][1]["gray_baseline"], records[0][1]["data"], records[0][1]["n"]
    copies = ", as copies saved in JPEG" if data["name"] == "cifar10" and data.get("encoding") == "JPEG" else ""
    results: dict[str, Any] = {}
    words = []
    for model, record in records:
        if "raw" in record:
            results |= {title(model): record, "Decoder's own": record["raw"]}
        else:  # Vividness costs error; the figures are those of the least.
            results[f"{title(model)}, vividness {record['vividness']:g}"] = record
        words.append(
            f"Of the {title(model)}, the mean color difference (CIEDE2000) is {record['delta_e']:.1f} and the "
            f"colorfulness {record['colorfulness']:.1f}."
        )
    return f"""
### The whole test set

Means over {count:,} test images of {data["name"]}{copies}:

{build_table(gray, results)}

{" ".join(words)} In gray the difference is {gray["delta_e"]:.1f}; the colorfulness of the true images is
{gray["colorfulness_truth"]:.1f}.
"""
