"""Colorize grayscale images.

    from colorizer import Colorizer
    rgb = Colorizer.load().colorize("photo.jpg")  # (H, W, 3) uint8

Names are imported on first use: importing the package is quick and doesn't import TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorizer.data.dataset import DatasetError as DatasetError
    from colorizer.data.sources import load_dataset as load_dataset
    from colorizer.imaging.decode import ImageError as ImageError
    from colorizer.imaging.decode import decode_image as decode_image
    from colorizer.imaging.encode import save_image as save_image
    from colorizer.inference.checkpoint import ModelError as ModelError
    from colorizer.inference.colorizer import Colorizer as Colorizer

__version__ = "0.1.0"

_MODULES = {
    "Colorizer": "inference.colorizer",
    "DatasetError": "data.dataset",
    "ImageError": "imaging.decode",
    "ModelError": "inference.checkpoint",
    "decode_image": "imaging.decode",
    "load_dataset": "data.sources",
    "save_image": "imaging.encode",
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
