"""What is known about a file before it is decoded."""

from dataclasses import dataclass, replace

from colorizer.imaging.tags import check_exif


class UnreadableError(ValueError):
    """A file is intact but not supported; the message, to be appended to the file's name, says why."""


@dataclass(frozen=True)
class Cost:
    """Cost of decoding: pixels of the result, peak memory in bytes, and total number of pixels decoded."""

    pixels: int
    memory: int
    work: int

    def plus(self, *, memory: int = 0, work: int = 0) -> "Cost":
        """Return the cost with memory and work added."""
        return replace(self, memory=self.memory + memory, work=self.work + work)


@dataclass(frozen=True)
class Facts:
    """Facts about a file: format (Pillow's name if it has one), stored size, decoding cost, and pages or frames.

    `pages` is 0 for an animation whose frames can't be counted.
    """

    kind: str
    height: int
    width: int
    cost: Cost
    pages: int = 1
    bits: int = 8
    whole: bool = True  # False if a JPEG lacks its end marker, and perhaps more.
    scans_missing: bool = False  # Of a progressive JPEG.


def check_metadata(exif: bytes) -> None:
    """Refuse EXIF that would take gigabytes or minutes to parse; EXIF that is only damaged is dropped later."""
    try:
        check_exif(exif)
    except ValueError as error:
        if "larger" in str(error):
            raise UnreadableError("has EXIF that would take far more memory than the file's size") from error
