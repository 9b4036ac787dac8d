"""Where the folders that come with the project lie."""

from pathlib import Path


def resource_folder(name: str) -> Path:
    """Find ``checkpoints`` or ``samples``: within the installed package, else at the top of the repository."""
    package = Path(__file__).parent
    installed = package / name
    return installed if installed.is_dir() else package.parent / name
