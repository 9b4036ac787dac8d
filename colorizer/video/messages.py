"""Messages between the server and a video process: a line of JSON, followed by raw arrays.

The processes don't trust each other: messages are limited in size, and contain nothing that could be executed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_MAX_LINE_BYTES = 100_000  # Bytes.
_MAX_ARRAY_BYTES = 200_000_000  # Of the arrays of a message.
_KINDS = {"uint8": np.uint8, "float32": np.float32}

Message = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """Limits of a video, checked before its first frame is decoded.

    Attributes
    ----------
    seconds : float
        Maximum time from the first frame to the last.
    lines : int
        Maximum height of a 16:9 frame; other frames may have as many pixels.
    rate : int
        Maximum average frame rate of a video of the maximum length.
    """

    seconds: float = 30
    lines: int = 720
    rate: int = 60

    @property
    def pixels(self) -> int:
        """Maximum number of pixels of a frame."""
        return self.lines * self.lines * 16 // 9

    @property
    def frames(self) -> int:
        """Maximum number of frames of a video."""
        return round(self.seconds * self.rate)


def send(stream: BinaryIO, message: Message, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a message, with uint8 or float32 arrays."""
    head = {**message, "arrays": [[array.dtype.name, *array.shape] for array in arrays]}
    stream.write(json.dumps(head).encode() + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Message, list[NDArray[Any]]] | None:
    """Read a message; return None at the end of the stream, or if it is invalid or too large."""
    line = stream.readline(_MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        return None
    try:
        message: Message = json.loads(line)
        shapes = [(_KINDS[kind], [int(length) for length in shape]) for kind, *shape in message.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    sizes = [prod(shape) * np.dtype(kind).itemsize for kind, shape in shapes]
    if any(length < 0 for _, shape in shapes for length in shape) or sum(sizes) > _MAX_ARRAY_BYTES:
        return None
    arrays: list[NDArray[Any]] = []
    for (kind, shape), size in zip(shapes, sizes, strict=True):
        content = stream.read(size)
        if len(content) < size:
            return None
        arrays.append(np.frombuffer(content, kind).reshape(shape))
    return message, arrays
