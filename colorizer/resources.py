"""What the project finds on its machine: the folders that come with it, and processor cores."""

import os
from pathlib import Path


def resource_folder(name: str) -> Path:
    """Find ``checkpoints`` or ``samples``: within the installed package, else at the top of the repository."""
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name


def count_cores() -> int:
    """Count the cores that this process should use: those that ``OMP_NUM_THREADS`` grants, else all.

    Engines that run several workers on a machine, as Ray does, set that variable for each.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdecimal() and int(granted) > 0 else os.cpu_count() or 1
