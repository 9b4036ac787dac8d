"""What two processes say to each other about a film: a line of JSON, and arrays as they lie in memory.

Neither trusts the other with more than that: what comes is bounded, and nothing in it is run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_LONGEST_LINE = 100_000  # Bytes.
_MOST_BYTES = 200_000_000  # Of the arrays of a message.
_KINDS = {"uint8": np.uint8, "float32": np.float32}

Message = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """What is taken of a film, all known before its first frame is decoded.

    Attributes
    ----------
    seconds : float
        From the first frame to the last.
    lines : int
        Of a picture of 16:9; other pictures may have as many pixels as that.
    rate : int
        Frames a second, on average over a film of the full length.
    """

    seconds: float = 30
    lines: int = 720
    rate: int = 60

    @property
    def pixels(self) -> int:
        """Pixels of a frame."""
        return self.lines * self.lines * 16 // 9

    @property
    def frames(self) -> int:
        """Frames of a film."""
        return round(self.seconds * self.rate)


def send(stream: BinaryIO, message: Message, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a message."""
    head = {**message, "arrays": [[array.dtype.name, *array.shape] for array in arrays]}
    stream.write(json.dumps(head).encode() + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Message, list[NDArray[Any]]] | None:
    """Read a message; None at the end of the stream, and where it holds none."""
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        return None
    try:
        message: Message = json.loads(line)
        shapes = [(_KINDS[kind], [int(length) for length in shape]) for kind, *shape in message.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    sizes = [prod(shape) * np.dtype(kind).itemsize for kind, shape in shapes]
    if any(length < 0 for _, shape in shapes for length in shape) or sum(sizes) > _MOST_BYTES:
        return None
    arrays: list[NDArray[Any]] = []
    for (kind, shape), size in zip(shapes, sizes, strict=True):
        content = stream.read(size)
        if len(content) < size:
            return None
        arrays.append(np.frombuffer(content, kind).reshape(shape))
    return message, arrays
