"""A process of its own that decodes files for another, within limits: ``python -m colorizer.imaging.child``.

It reads questions, a line of JSON each, and answers each by a line. Pixels go through a file, so that no more than the
picture itself is held. A file that takes too much memory or time costs this process, and nobody else.
"""

import base64
import json
import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from colorizer.imaging.decode import ImageError, decode_with_metadata
from colorizer.imaging.metadata import Metadata

MEMORY = 600_000_000
"""Bytes by which the process may grow above its start."""

SECONDS = 10
"""Seconds of the processor that a file may take."""

# What decoding is measured to take before it starts; the rest of the process's room is for what can't be foreseen.
_MEASURED = 560_000_000


def main() -> None:
    """Answer questions until there are no more."""
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    with suppress(AttributeError, OSError):
        os.nice(10)  # Who waits for colors goes before who brings a file.
    limit_memory(MEMORY)
    print(flush=True)  # It is ready.
    for line in sys.stdin:
        question = json.loads(line)
        limit_time(question.pop("seconds"))
        try:
            answer = _answer(**question)
        except ImageError as error:
            answer = {"error": str(error)}
        except FileNotFoundError:
            answer = {"missing": True}
        except MemoryError:
            answer = {"error": f"{Path(question['path']).name} takes too much memory to decode: make it smaller first"}
        print(json.dumps(answer), flush=True)


def _answer(path: str, output: str, max_pixels: int) -> dict[str, Any]:
    image, metadata = decode_with_metadata(path, max_pixels=max_pixels, max_memory=_MEASURED)
    with Path(output).open("wb") as file:
        np.save(file, image, allow_pickle=False)
    return {"metadata": pack(metadata)}


def pack(metadata: Metadata) -> dict[str, Any]:
    """Turn metadata into what JSON can hold."""
    binary = {name: base64.b64encode(value).decode() for name, value in metadata.items() if isinstance(value, bytes)}
    return {"binary": binary, "plain": {name: value for name, value in metadata.items() if name not in binary}}


def unpack(packed: dict[str, Any]) -> Metadata:
    """Turn what `pack` gave into metadata again."""
    metadata = packed["plain"] | {name: base64.b64decode(value) for name, value in packed["binary"].items()}
    return metadata | ({"dpi": tuple(metadata["dpi"])} if "dpi" in metadata else {})


def limit_memory(growth: int) -> None:
    """Limit the address space, where the system can, to so many bytes more: an allocation beyond it fails."""
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + growth, used + growth))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_time(seconds: int) -> None:
    """Have the system end the process when it has worked for so long from now on, where it can."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = int(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
