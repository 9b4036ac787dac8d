"""Make the tables of ``docs/scaling.md`` from the record of ``benchmarks/cluster.py``."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/scaling.md"
RECORD = ROOT / "benchmarks/results/cluster.json"
MARK = "<!-- sizing -->"
SIZES = (1_000_000, 100_000_000)
CHUNK_FILES, CHUNK_MEGABYTES = 32, 128  # Of colorizer/batch/ray_engine.py.


def render(record: dict[str, Any] | None) -> str:
    """Write what lies between the marks; without a record, how to make one."""
    if record is None or "scans" not in record:
        return "\nNot measured yet: `python benchmarks/cluster.py`, then `python docs/make_scaling.py`.\n"
    return "\n" + "\n".join([*_measured(record), "", *_sizing(record), "", *_memory(record)]) + "\n"


def _measured(record: dict[str, Any]) -> list[str]:
    rows = []
    for name, title in (("scans", "scans of {w} x {h}"), ("small", "images of {w} x {h}")):
        part = record[name]
        speeds = [
            part[run]["images per second"] for run in ("single machine, 2 cores", "ray, 1 workers", "ray, 2 workers")
        ]
        busy = part["ray, 2 workers"]
        engine = sum(busy[f"{kind}, core-milliseconds an image"] for kind in ("command", "Ray's processes"))
        title = title.format(w=part["width"], h=part["height"])
        speed = " | ".join(f"{value:.2f}" for value in speeds)
        rows.append(
            f"| {title} | {speed} | {part['2 workers / 2 x 1 worker']:.2f} "
            f"| {part['overhead of the engine, core-milliseconds an image']:.1f} "
            f"| {busy['workers, core-milliseconds an image']:.1f} "
            f"| {engine:.1f} |"
        )
    one = record["one scan"]
    return [
        f"Images per second, measured on: {record['machine']}.",
        "",
        "| | one machine | Ray, 1 worker | 2 workers | efficiency | overhead | workers | Ray and command |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "*One machine* is the command without Ray, on both cores. *Efficiency* is the speed of two workers over twice",
        "that of one. *Overhead* is the time per image of two workers, less that of one machine. The last two columns",
        "are the processor time with two workers. All three are in core-milliseconds per image.",
        "",
        f"Of the work on one scan, decoding takes {one['decode, core-milliseconds']} core-milliseconds, colorizing "
        f"{one['colorize, core-milliseconds']} and encoding as PNG {one['encode, core-milliseconds']};",
        f"{one['megabytes in']} MB are read and {one['megabytes out']} MB written.",
    ]


def _sizing(record: dict[str, Any]) -> list[str]:
    one, again = record["one scan"], record["all results there already"]
    core = record["scans"]["ray, 2 workers"]["images per second"] / 2
    moved = one["megabytes in"] + one["megabytes out"]
    in_chunk = max(1, min(CHUNK_FILES, int(CHUNK_MEGABYTES / one["megabytes in"])))
    chunks = again["images per second"] / CHUNK_FILES
    limit = chunks * in_chunk / core
    link = 1250 / (core * moved)  # Megabytes a second of ten gigabits a second.
    lines = [
        "| scans of 12 megapixels | " + " | ".join(f"{count / 1e6:.0f} million" for count in SIZES) + " |",
        "|---|---|---|",
    ]

    def row(title: str, values: list[str]) -> None:
        lines.append(f"| {title} | " + " | ".join(values) + " |")

    row(f"core-hours: scans / {core:.3f} per core-second / 3600", [f"{n / core / 3600:,.0f}" for n in SIZES])
    row("days on 64 cores", [f"{n / core / 64 / 86400:,.1f}" for n in SIZES])
    row("days on 1,000 cores", [f"{n / core / 1000 / 86400:,.1f}" for n in SIZES])
    row(f"read, TB: scans x {one['megabytes in']} MB", [f"{n * one['megabytes in'] / 1e6:,.1f}" for n in SIZES])
    row(f"written, TB: scans x {one['megabytes out']} MB", [f"{n * one['megabytes out'] / 1e6:,.1f}" for n in SIZES])
    row(
        f"a rerun that finds all results, hours: scans / {again['images per second']:,.0f} per second / 3600",
        [f"{n / again['images per second'] / 3600:,.1f}" for n in SIZES],
    )
    parts = {name: one[f"{name}, core-milliseconds"] for name in ("decode", "colorize", "encode")}
    largest = max(parts, key=lambda name: parts[name])
    return [
        *lines,
        "",
        "With more cores, these are the next bottlenecks, in this order:",
        "",
        f"- *Processor*: {parts[largest]} of a scan's {sum(parts.values())} core-milliseconds go into *{largest}*.",
        f"- *Storage and network*: a core moves {core:.3f} x {moved:.1f} MB = {core * moved:.1f} MB per second. Ten",
        f"  gigabits (1,250 MB) per second are used up by 1,250 / {core * moved:.1f} = {link:,.0f} cores.",
        f"- *Engine*: it hands out at least {again['images per second']:,.0f} / {CHUNK_FILES} = {chunks:,.0f} chunks",
        "  per second (measured with two workers on chunks whose results exist).",
        f"  A chunk of {in_chunk} scans takes a core {in_chunk} / {core:.3f} = {in_chunk / core:,.0f} seconds,",
        f"  so one command keeps {limit:,.0f} cores busy; beyond that, run a separate command for each part of the",
        "  archive.",
    ]


def _memory(record: dict[str, Any]) -> list[str]:
    memory = record.get("memory")
    if memory is None:
        return ["Memory over 100,000 images is not measured yet: `python benchmarks/cluster.py --many 100000`."]
    rows = [
        f"| {name.removesuffix(', MB')} | {second} | {last} |"
        for name, (second, last) in memory["second and last quarter"].items()
    ]
    return [
        f"Memory during a run of {memory['images']:,} small images, in MB, excluding memory shared between processes:",
        "",
        "| | second quarter of the run | last quarter |",
        "|---|---|---|",
        *rows,
    ]


def main() -> None:
    """Write the tables into the document."""
    before, _, after = DOCUMENT.read_text().split(MARK)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else None
    DOCUMENT.write_text(before + MARK + render(record) + MARK + after)


if __name__ == "__main__":
    main()
