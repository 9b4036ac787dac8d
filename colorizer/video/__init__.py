"""Videos: reading, temporally stable colorization, and writing, with sound and everything else they contain.

This module itself has only constants, so that commands can tell videos from images without PyAV.
"""

from colorizer.imaging.facts import AdvisedError

EXTENSIONS = frozenset(
    (".3gp", ".avi", ".divx", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".vob", ".webm")
)
"""Extensions of videos that can be read, in lower case and with the dot."""

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's names of the formats that can be written, by extension."""


class VideoError(AdvisedError):
    """A video can't be read or written; the message says which, why, and, if possible, what to do."""
