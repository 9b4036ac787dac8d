"""Videos: reading, temporally stable coloring, and writing, with sound and everything else that they hold.

This module itself has only names, so that commands can tell videos from images without PyAV.
"""

EXTENSIONS = frozenset(
    (".3gp", ".avi", ".divx", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".vob", ".webm")
)
"""Extensions of videos, in lower case and with the dot."""

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Extensions of videos that can be written, and FFmpeg's names of their formats."""


class VideoError(ValueError):
    """A video can't be read or written; the message says which and why, in words for its owner."""
