"""Decode file names from untrusted archives, and make them safe for any system."""

import re
import zipfile
from pathlib import PurePosixPath

_UTF8 = 0x800  # Flag of a UTF-8 name.
_MAX_LENGTH = 100  # Characters per part of a path; most systems allow 255 bytes.
_MAX_PARTS = 16
_KANA = re.compile("[\u3040-\u30ff]")
_UNFIT = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10))}


def read_name(member: zipfile.ZipInfo) -> str:
    """Decode the name of an archive's member.

    Names that aren't marked as UTF-8 are still tried as UTF-8 and as Japanese (code page 932); the rest are decoded as
    code page 437, as the format specifies.
    """
    name = member.orig_filename
    if member.flag_bits & _UTF8:
        return name
    raw = name.encode("cp437", "replace")
    for encoding in ("utf-8", "cp932"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or _KANA.search(text):
            return text
    return name


def fit_name(name: str) -> str:
    """Make a path relative and safe for any system; empty if nothing is left of it.

    Parts that lead upward, to a root or to a drive are dropped; characters that a system forbids or a terminal would
    interpret, and names that Windows reserves for devices, are changed; long parts are cut.
    """
    parts = []
    for part in PurePosixPath(name.replace("\\", "/")).parts[-_MAX_PARTS:]:
        if part in ("/", "//", "..") or re.fullmatch("[A-Za-z]:", part):
            continue
        part = _UNFIT.sub("_", part).rstrip(". ")
        stem, dot, extension = part.rpartition(".")
        if len(part) > _MAX_LENGTH:
            part = f"{stem[: _MAX_LENGTH - 20]}{dot}{extension[:19]}" if dot else part[:_MAX_LENGTH]
        if part.split(".")[0].strip().upper() in _RESERVED:
            part = f"_{part}"
        if part:
            parts.append(part)
    return "/".join(parts)
