"""Figures as a table, with a few words on what they mean."""

from collections.abc import Mapping
from typing import Any

MEANING = """
*Error left*: squared error against the true colors, as a share of the gray copy's; 100% is no better than gray.
*PSNR*: the same error in decibels; higher is better. *SSIM*: how alike the structures are; 1 is equal.
"""


def build_table(
    gray_copy: Mapping[str, Any], colorized: Mapping[str, Any], decoders_own: Mapping[str, Any] | None
) -> str:
    """Lay out figures (``mse``, ``psnr``, ``ssim``) of the gray copy, the result and any raw picture in Markdown."""
    lines = ["| | Error left | PSNR | SSIM |", "|:--|--:|--:|--:|"]
    rows = {"Gray copy": gray_copy, "Colorized": colorized}
    if decoders_own is not None:
        rows["Decoder's own"] = decoders_own
    for name, figures in rows.items():
        # A true image that is gray itself leaves no error to compare with.
        left = f"{figures['mse'] / gray_copy['mse']:.0%}" if gray_copy["mse"] else "–"
        lines.append(f"| {name} | {left} | {figures['psnr']:.1f} dB | {figures['ssim']:.3f} |")
    return "\n".join(lines)
