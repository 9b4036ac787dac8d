"""Outcomes of the files of a run, and reports of them in JSON and CSV."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import cv2

from colorizer.batch.plan import Job
from colorizer.batch.storage import Place
from colorizer.machine import describe_shortage

ERRORS = (OSError, MemoryError, RuntimeError, ValueError, cv2.error)
"""Errors of one file, which don't stop the others; threads that can't start for lack of memory are a `RuntimeError`."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a job: ``done``, ``skipped`` (its results exist), or ``failed`` or ``passed over`` for a reason."""

    job: Job
    status: str
    reason: str = ""
    size: tuple[int, int] | None = None  # Height and width.
    seconds: float = 0.0  # Of work on this file; work on several files overlaps.
    frames: int | None = None  # Of a video.
    notes: tuple[str, ...] = ()  # What users should know about the result, such as that the source has more pages.

    def to_record(self) -> dict[str, Any]:
        """Return the fields of the job's line in a report."""
        height, width = self.size or (None, None)
        record: dict[str, Any] = {
            "source": str(self.job.source),
            "targets": [str(target) for target in self.job.targets],
            "status": self.status,
            "reason": self.reason,
            "notes": list(self.notes),
            "width": width,
            "height": height,
            "seconds": round(self.seconds, 4),
        }
        if self.frames is not None:
            record["frames"] = self.frames
        return record

    def to_json(self) -> str:
        """Return a line of a report in JSON."""
        return json.dumps(self.to_record(), ensure_ascii=False) + "\n"


def pass_over(source: Place) -> Outcome:
    """Make the outcome of a file that is passed over because of its extension."""
    suffix = PurePath(source).suffix
    return Outcome(
        Job(source, ()), "passed over", f"unsupported file type {suffix}" if suffix else "it has no extension"
    )


def explain(error: BaseException) -> str:
    """Describe why a file failed."""
    lack = describe_shortage(error)
    return f"there is {lack} left" if lack else str(error) or type(error).__name__


def write_csv(outcomes: Sequence[Outcome]) -> str:
    """Format a report as CSV, with the keys of the JSON report as columns."""
    text = io.StringIO()
    records = [outcome.to_record() for outcome in outcomes]
    table = csv.DictWriter(text, list(records[0]))
    table.writeheader()
    table.writerows({key: _plain(value) for key, value in record.items()} for record in records)
    return text.getvalue()


def _plain(value: Any) -> str:
    """Format a value as a cell, so that a spreadsheet doesn't take text for a formula."""
    cell = "; ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
