"""Delete visitors' files and results after a while."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from colorizer.demo.photo import forget_deleted

KEEP_VARIABLE = "COLORIZER_KEEP"
"""Environment variable: seconds for which files are kept; at most an hour, which is also the default."""

_HOUR = 3600
_PARTS = 12  # Checks during that time.


def read_keep() -> int:
    """Read for how many seconds files are kept; raise `ValueError` if the environment variable is invalid."""
    keep = os.environ.get(KEEP_VARIABLE) or str(_HOUR)
    if not keep.isdecimal() or not _PARTS <= int(keep) <= _HOUR:
        raise ValueError(f"{KEEP_VARIABLE} must be a number of seconds from {_PARTS} to {_HOUR}, got {keep!r}")
    return int(keep)


def sweeper() -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Make a ``lifespan`` for a Gradio application that cleans up regularly; raise `ValueError` as `read_keep` does."""
    keep = read_keep()

    @asynccontextmanager
    async def sweeping(app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(run(app))
        try:
            yield
        finally:
            task.cancel()

    async def run(app: Any) -> None:
        while True:
            await asyncio.sleep(keep / _PARTS)
            await asyncio.to_thread(sweep, app.get_blocks(), keep - keep / _PARTS)

    return sweeping


def sweep(demo: Any, age: float) -> None:
    """Delete old files, and folders that are empty then.

    Gradio's own ``delete_cache`` leaves folders, files of interrupted uploads, and names in memory.

    Parameters
    ----------
    demo : gradio.Blocks
        The demo whose files are deleted; files that its widgets show to everyone are kept.
    age : float
        Minimum age of deleted files, in seconds.
    """
    folder = Path(get_upload_folder())
    widgets = demo.blocks.values()
    shown = {os.path.realpath(path) for widget in widgets for path in getattr(widget, "keep_in_cache", ())}
    before = time.time() - age
    for place, _, names in os.walk(folder, topdown=False):
        # Another thread has just deleted the folder, or is writing into it.
        with suppress(OSError):
            old = Path(place).stat().st_mtime < before  # Before its files are deleted, which updates the folder's time.
            for name in names:
                path = Path(place, name)
                if path.lstat().st_ctime < before and os.path.realpath(path) not in shown:
                    path.unlink()
            if Path(place) != folder and old:
                Path(place).rmdir()
    forget_deleted()
    for known in demo.temp_file_sets:
        known.difference_update([path for path in list(known) if not Path(path).exists()])
