"""Errors that a machine which lacks something raises, in words."""

import errno

import cv2

_FULL = {errno.ENOSPC, errno.EDQUOT}


def name_lack(error: BaseException) -> str | None:
    """Name what there is none left of: "no memory", "no space on the disk"; None if the error is another."""
    if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
        return "no memory"
    if isinstance(error, OSError) and error.errno in _FULL:
        return "no space on the disk"
    return None
