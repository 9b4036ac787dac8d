"""What is known of a file before it is decoded."""

from dataclasses import dataclass, replace

from colorizer.imaging.tags import check_exif


class UnreadableError(ValueError):
    """A file is intact but can't be read here; the message, which follows the file's name, says why."""


@dataclass(frozen=True)
class Cost:
    """Cost of decoding: pixels of the result, peak memory in bytes, and pixels that are decoded in total."""

    pixels: int
    memory: int
    work: int

    def plus(self, *, memory: int = 0, work: int = 0) -> "Cost":
        """Add to the cost."""
        return replace(self, memory=self.memory + memory, work=self.work + work)


@dataclass(frozen=True)
class Facts:
    """Facts about a file: format (Pillow's name if it has one), stored size, decoding cost, and pages or frames.

    The number is 0 for an animation whose frames can't be counted.
    """

    kind: str
    height: int
    width: int
    cost: Cost
    pages: int = 1
    bits: int = 8
    whole: bool = True  # False if the file ends before its picture does, or lacks its end marker.


def check_metadata(exif: bytes) -> None:
    """Refuse EXIF whose parsing would take gigabytes or minutes; what is merely damaged is left out later."""
    try:
        check_exif(exif)
    except ValueError as error:
        if "larger" in str(error):
            raise UnreadableError("has EXIF that would take far more memory than the file's size") from error
