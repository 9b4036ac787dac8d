"""Films: read, colored steadily and written, with all that goes along with their pictures.

This module itself needs no more than names, so that commands can tell films from images without PyAV.
"""

EXTENSIONS = frozenset(
    (".3gp", ".avi", ".divx", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".vob", ".webm")
)
"""Extensions, in lower case and with the dot, of the files that are taken for videos."""

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Extensions of the videos that are written, and FFmpeg's names of their formats."""


class VideoError(ValueError):
    """A video can't be read or written; the message says which and why, in words for the person who brought it."""
