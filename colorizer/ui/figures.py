"""Figures as a table, with a few words on what they mean, and the names that models have on the page."""

from collections.abc import Mapping
from typing import Any

MEANING = """
*Error left*: squared error against the true colors, as a share of the gray copy's; 100% is no better than gray.
*PSNR*: the same error in decibels; higher is better. *SSIM*: how alike the structures are; 1 is equal.
"""

_TITLES = {"autoencoder": "Autoencoder", "unet": "U-Net"}


def title(model: str) -> str:
    """Name a model as people read it."""
    return _TITLES.get(model, model)


def build_table(gray_copy: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay out figures (``mse``, ``psnr``, ``ssim``) of the gray copy and of results by their names in Markdown."""
    lines = ["| | Error left | PSNR | SSIM |", "|:--|--:|--:|--:|"]
    for name, figures in {"Gray copy": gray_copy, **results}.items():
        # A true image that is gray itself leaves no error to compare with.
        left = f"{figures['mse'] / gray_copy['mse']:.0%}" if gray_copy["mse"] else "–"
        lines.append(f"| {name} | {left} | {figures['psnr']:.1f} dB | {figures['ssim']:.3f} |")
    return "\n".join(lines)
