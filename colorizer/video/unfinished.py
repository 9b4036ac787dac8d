"""The state of an interrupted run: its finished parts, and where to resume."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from colorizer.video.steadying import State

_TOLERANCE = 2e-3  # Of predicted chroma: other weights differ by more.
_PROBE = 1 << 20  # Bytes at the beginning, middle and end of a file that identify it.


@dataclass(frozen=True)
class Progress:
    """Progress of a video.

    Attributes
    ----------
    frames : int
        Number of frames that are done.
    first, last : int
        Times of the first and the last of these frames, in ticks.
    damaged : tuple of float
        Times of the damaged frames so far, in seconds.
    state : State, optional
        Color state after the last frame.
    """

    frames: int = 0
    first: int = 0
    last: int = 0
    damaged: tuple[float, ...] = ()
    state: State | None = None


@dataclass
class Unfinished:
    """The hidden folder beside a video that is being written.

    Attributes
    ----------
    folder : pathlib.Path
        Path of the folder.
    notes : list of str
        Whether an earlier run was resumed or discarded, in words.
    """

    folder: Path
    notes: list[str] = field(default_factory=list)
    _count: int = 0

    @classmethod
    @contextmanager
    def open(
        cls, source: Path, target: Path, settings: dict[str, Any], fingerprint: list[float]
    ) -> Iterator["Unfinished"]:
        """Resume an earlier run if it had the same video, settings and weights; otherwise start over."""
        name = target.name
        if len(os.fsencode(name)) > 200:
            name = hashlib.sha256(os.fsencode(name)).hexdigest()
        folder = target.with_name(f".{name}.unfinished")
        unfinished = cls(folder)
        record = {"source": _describe(source), "settings": settings, "versions": _versions()}
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished._resume(record, fingerprint)
        try:
            yield unfinished
        finally:
            for leftover in folder.glob("*.part"):
                leftover.unlink(missing_ok=True)
            if not unfinished._count:
                shutil.rmtree(folder, ignore_errors=True)

    def _resume(self, record: dict[str, Any], fingerprint: list[float]) -> None:
        path = self.folder / "record.json"
        found: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            found = json.loads(path.read_text())
        before = found.pop("fingerprint", None)
        differ = [key for key in record if found.get(key) != json.loads(json.dumps(record[key]))]
        if np.shape(before) != np.shape(fingerprint) or not np.allclose(before, fingerprint, rtol=0, atol=_TOLERANCE):
            differ.append("weights")
        if differ:
            if found:
                self.notes.append(f"started over, since the unfinished run differs in {', '.join(differ)}")
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            path.write_text(json.dumps({**record, "fingerprint": fingerprint}, indent=1))
        while self._name(".npz").exists() and self._name(".packets").exists():
            self._count += 1

    def _name(self, extension: str, number: int | None = None) -> Path:
        return self.folder / f"{self._count if number is None else number:06}{extension}"

    def parts(self) -> list[Path]:
        """List the finished parts, in order."""
        return [self._name(".packets", number) for number in range(self._count)]

    def load(self) -> Progress:
        """Return the progress of the earlier run, if there is one, and note it."""
        if not self._count:
            return Progress()
        with np.load(self._name(".npz", self._count - 1)) as saved:
            frames, first, last, index = (int(value) for value in saved["progress"])
            state = State(saved["luma"], saved["chroma"], saved["count"], index)
            self.notes.append(f"resumed after the first {frames} frames, which were done")
            return Progress(frames, first, last, tuple(saved["damaged"].tolist()), state)

    def begin(self) -> Path:
        """Return the path to write the next part to; its name marks it as unfinished."""
        return self._name(".part")

    def finish(self, done: Progress) -> None:
        """Mark the current part as finished, and save the progress."""
        assert done.state is not None
        arrays: dict[str, Any] = {"luma": done.state.luma, "chroma": done.state.chroma, "count": done.state.count}
        arrays["progress"] = np.array([done.frames, done.first, done.last, done.state.index], np.int64)
        arrays["damaged"] = np.array(done.damaged, float)
        temporary = self._name(".state.part")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        self._name(".part").replace(self._name(".packets"))
        temporary.replace(self._name(".npz"))  # Last: without it, the part counts as unfinished.
        self._count += 1

    def remove(self) -> None:
        """Remove the folder once the video is complete."""
        self._count = 0
        shutil.rmtree(self.folder, ignore_errors=True)


def _describe(path: Path) -> dict[str, Any]:
    """Identify a file without reading all of it."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2 - _PROBE // 2), max(0, size - _PROBE)}):
            file.seek(start)
            digest.update(file.read(_PROBE))
    return {"bytes": size, "sha256 of parts": digest.hexdigest(), "changed": path.stat().st_mtime_ns}


def _versions() -> dict[str, str]:
    return {"av": version("av"), "colorizer": version("colorizer")}
