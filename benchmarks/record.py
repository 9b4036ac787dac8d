"""The record of a benchmark."""

import json
from pathlib import Path
from typing import Any

from colorizer.machine import describe_machine, describe_versions


def save_record(path: Path, record: dict[str, Any], *packages: str, **versions: str) -> None:
    """Print a record with the machine and the versions of packages and other programs, and write it to a JSON file."""
    record = {
        **record,
        "machine": describe_machine(),
        "versions": {**describe_versions(*packages), **versions},
    }
    text = json.dumps(record, indent=2)
    print(text)
    path.write_text(text + "\n")
