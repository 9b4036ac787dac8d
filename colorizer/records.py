"""What stands in every record of a training or a measurement: the machine and the versions."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def describe_machine() -> str:
    """Describe the processor for a record of measurements."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def describe_versions(*packages: str) -> dict[str, str]:
    """List the versions of Python and of the packages that are installed."""
    versions = {"python": platform.python_version()}
    for package in packages:
        names = ("tensorflow-cpu", "tensorflow") if package == "tensorflow" else (package,)
        for name in names:
            try:
                versions[package] = version(name)
                break
            except PackageNotFoundError:
                continue
    return versions
