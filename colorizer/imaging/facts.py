"""What is known about a file before it is decoded."""

from dataclasses import dataclass, replace

from colorizer.imaging.tags import DirectoryError, OversizeError, check_exif


class AdvisedError(ValueError):
    """An error whose message may end in what to do about it.

    Parameters
    ----------
    reason : str
        What is wrong.
    advice : str
        What to do, as an imperative; empty if the reason suggests nothing in particular.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason, advice)
        self.reason, self.advice = reason, advice

    def __str__(self) -> str:
        return f"{self.reason}: {self.advice}" if self.advice else self.reason


class UnreadableError(AdvisedError):
    """A file is intact but not supported; the reason is to be appended to the file's name."""


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
    except OversizeError as error:
        raise UnreadableError("has EXIF that would take far more memory than the file's size") from error
    except DirectoryError:
        return
