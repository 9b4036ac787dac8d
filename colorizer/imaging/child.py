"""A child process that decodes files within limits: ``python -m colorizer.imaging.child``.

It reads requests as lines of JSON and answers each with a line. Pixels are passed in a file, so that only one copy is
in memory. A file that takes too much memory or time ends only this process.
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
"""Bytes by which the process may grow after it has started."""

SECONDS = 10
"""Seconds of processor time allowed per file."""

# Limit on the estimated memory of decoding; the rest of `MEMORY` is a margin for what the estimate misses.
_MEASURED = 560_000_000


def main() -> None:
    """Answer requests until the end of the input."""
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    with suppress(AttributeError, OSError):
        os.nice(10)  # Colorizing has priority over decoding.
    limit_memory(MEMORY)
    print(flush=True)  # An empty line says that the process is ready.
    for line in sys.stdin:
        request = json.loads(line)
        limit_time(request.pop("seconds"))
        try:
            response = _respond(**request)
        except ImageError as error:
            response = {"error": error.args}
        except FileNotFoundError:
            response = {"missing": True}
        except MemoryError:
            reason = f"{Path(request['path']).name} takes too much memory to decode"
            response = {"error": (reason, "make it smaller first")}
        print(json.dumps(response), flush=True)


def _respond(path: str, output: str, max_pixels: int) -> dict[str, Any]:
    image, metadata = decode_with_metadata(path, max_pixels=max_pixels, max_memory=_MEASURED)
    with Path(output).open("wb") as file:
        np.save(file, image, allow_pickle=False)
    return {"metadata": pack(metadata)}


def pack(metadata: Metadata) -> dict[str, Any]:
    """Convert metadata to what JSON can hold."""
    binary = {name: base64.b64encode(value).decode() for name, value in metadata.items() if isinstance(value, bytes)}
    return {"binary": binary, "plain": {name: value for name, value in metadata.items() if name not in binary}}


def unpack(packed: dict[str, Any]) -> Metadata:
    """Convert the result of `pack` back to metadata."""
    metadata = packed["plain"] | {name: base64.b64decode(value) for name, value in packed["binary"].items()}
    return metadata | ({"dpi": tuple(metadata["dpi"])} if "dpi" in metadata else {})


def limit_memory(growth: int) -> None:
    """Limit further growth of the address space in bytes, on Linux; allocations beyond it fail."""
    if sys.platform == "linux":
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + growth, used + growth))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_time(seconds: int) -> None:
    """Have the system end the process after this many more seconds of processor time; not on Windows."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = int(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main()
