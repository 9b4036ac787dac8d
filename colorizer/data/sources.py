"""Load datasets: CIFAR-10 from a folder, the Hugging Face Hub or Keras, and folders of images of any size.

Images stay encoded until accessed, so a folder of large photos takes little memory.
"""

import hashlib
import logging
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorizer.data.dataset import (
    ALL,
    CIFAR10_CLASSES,
    DatasetError,
    ImageDataset,
    NoSplitError,
    split_validation,
)
from colorizer.imaging.decode import readable_extensions

logger = logging.getLogger(__name__)

CIFAR10_HUB = "uoft-cs/cifar10"
CIFAR10_ROWS = {"train": 50_000, "test": 10_000}

_SPLIT_NAMES = {"train": ("train",), "test": ("test",), "validation": ("validation", "valid", "val")}
_SPLIT_NAMES["valid"] = _SPLIT_NAMES["validation"]
_ALL_SPLIT_NAMES = frozenset(name for names in _SPLIT_NAMES.values() for name in names)


def load_dataset(data: str = "cifar10", split: str = "train", *, download: bool = True) -> ImageDataset:
    """Load a split of a dataset.

    Parameters
    ----------
    data : str
        ``cifar10``: read from the folder in the environment variable ``COLORIZER_DATA``, else from the Hugging Face
        Hub (``uoft-cs/cifar10``; only the file of that split is downloaded, and cached), else from
        ``keras.datasets.cifar10``. Or the path of a folder: Parquet files in the Hub's layout (column ``img`` or
        ``image``), ``cifar-10-batches-py``, one folder per class, or images of any size.
    split : str
        ``train``, ``test`` or ``validation`` (also ``valid``). A folder of images without subfolders named after
        splits is loaded as a whole, and the split of the result is `ALL`.
    download : bool
        Whether to download data; if false, only local files are used.

    Returns
    -------
    ImageDataset
        The images of that split. The source is logged.

    Raises
    ------
    DatasetError
        If no source has the data; the message says what was tried and what to do.
    """
    if split not in _SPLIT_NAMES:
        raise DatasetError(f"split must be one of {', '.join(_SPLIT_NAMES)}, got {split!r}")
    if data == "cifar10":
        return _load_cifar10(split, download)
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"no data at {data!r}: give 'cifar10' or an existing folder")
    dataset = _load_folder(folder, split)
    logger.info("%s: %d images (%s) from the folder %s", dataset.name, len(dataset), split, folder)
    return dataset


def load_parts(data: str, fraction: float) -> tuple[ImageDataset, ImageDataset]:
    """Load training and validation images.

    Validation images come from the split ``validation`` if the dataset has one, and are otherwise split off the
    training images.

    Parameters
    ----------
    data : str
        As in `load_dataset`.
    fraction : float
        As in `colorizer.data.dataset.split_validation`.

    Returns
    -------
    tuple of ImageDataset
        Training and validation images.

    Raises
    ------
    DatasetError
        As in `load_dataset`; also if either part would be empty.
    """
    train = load_dataset(data, "train")
    if data != "cifar10" and train.split != ALL:
        try:
            return train, load_dataset(data, "validation")
        except NoSplitError:
            pass
    return split_validation(train, fraction)


# === CIFAR-10: local folder, Hub, Keras ===


def _load_cifar10(split: str, download: bool) -> ImageDataset:
    tried = []
    local = os.environ.get("COLORIZER_DATA")
    sources = [
        (f"the folder of COLORIZER_DATA, {local}" if local else "a local folder", lambda: _cifar10_local(local, split)),
        (f"the Hugging Face Hub, {CIFAR10_HUB}", lambda: _cifar10_hub(split, download)),
        ("keras.datasets.cifar10", lambda: _cifar10_keras(split, download)),
    ]
    for name, load in sources:
        try:
            dataset = load()
        except Exception as error:  # Whatever goes wrong, try the next source; the final message has all reasons.
            tried.append(f"{name}: {_first_line(error)}")
            if local and len(tried) == 1:
                logger.warning("CIFAR-10 not found in %s", tried[0])
            continue
        logger.info("CIFAR-10: %d images (%s) from %s", len(dataset), split, name)
        return dataset
    raise DatasetError(
        f"CIFAR-10 ({split}) is not available. Tried:\n  "
        + "\n  ".join(tried)
        + "\nConnect to the internet once, or give a folder that has it, as the data or in COLORIZER_DATA:\n"
        "Parquet files as in https://huggingface.co/datasets/uoft-cs/cifar10, or cifar-10-batches-py from\n"
        "https://www.cs.toronto.edu/~kriz/cifar.html."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _cifar10_local(local: str | None, split: str) -> ImageDataset:
    if not local:
        raise DatasetError("COLORIZER_DATA is not set")
    folder = Path(local).expanduser()
    if not folder.is_dir():
        raise DatasetError("no such folder")
    return _load_folder(folder, split, "cifar10")  # Regardless of the folder's name.


def _cifar10_hub(split: str, download: bool) -> ImageDataset:
    from huggingface_hub import hf_hub_download

    if split not in CIFAR10_ROWS:
        raise DatasetError(f"CIFAR-10 has the splits train and test, not {split}")
    path = hf_hub_download(
        CIFAR10_HUB,
        f"plain_text/{split}-00000-of-00001.parquet",
        repo_type="dataset",
        local_files_only=not download,
    )
    return _load_parquet([Path(path)], "cifar10", split)


def _cifar10_keras(split: str, download: bool) -> ImageDataset:
    if split not in CIFAR10_ROWS:
        raise DatasetError(f"CIFAR-10 has the splits train and test, not {split}")
    if not download:
        raise DatasetError("skipped, since downloads are off")
    from keras.datasets import cifar10

    train, test = cifar10.load_data()
    images, labels = train if split == "train" else test
    groups = [CIFAR10_CLASSES[label] for label in labels.ravel()]
    return _from_pixels(images, groups, split, hashlib.sha256(images.tobytes()).hexdigest())


def _from_pixels(images: NDArray[np.uint8], groups: list[str], split: str, sha256: str) -> ImageDataset:
    ids = [f"cifar10 {split} row {i}" for i in range(len(images))]
    return ImageDataset("cifar10", split, images, ids, sha256, groups)


# === Folders ===


def _load_folder(folder: Path, split: str, name: str = "") -> ImageDataset:
    """Load a folder of Parquet files, CIFAR-10's Python batches, or images, depending on what it contains."""
    name = name or _name(folder)
    parquet = sorted(folder.rglob("*.parquet"))
    if parquet:
        wanted = [path for path in parquet if _parquet_split(path) in _SPLIT_NAMES[split]]
        if not wanted:
            found = ", ".join(sorted({_parquet_split(path) for path in parquet}))
            raise NoSplitError(f"no Parquet file of the split {split!r} in {folder}; available: {found}")
        return _load_parquet(wanted, name, split)
    batches = next((path.parent for path in sorted(folder.rglob("test_batch")) if path.is_file()), None)
    if batches is not None:
        return _load_batches(batches, split)
    return _load_images(folder, name, split)


def _name(folder: Path) -> str:
    """Name a folder for the record: by its own name, or its parent's if its own is generic."""
    folder = folder.resolve()
    generic = {"data", "plain_text", "images", *_ALL_SPLIT_NAMES}
    while folder.name in generic and folder.parent.name:
        folder = folder.parent
    return folder.name


def _parquet_split(path: Path) -> str:
    """Return the split of a file: ``test-00000-of-00001.parquet``, ``test.parquet`` or ``test/0000.parquet``."""
    stem, folder = path.stem.split("-")[0], path.parent.name
    return folder if stem not in _ALL_SPLIT_NAMES and folder in _ALL_SPLIT_NAMES else stem


def _load_parquet(paths: Sequence[Path], name: str, split: str) -> ImageDataset:
    import pyarrow.parquet as pq

    sources: list[bytes] = []
    ids: list[str] = []
    paths_inside: list[str] = []
    labels: list[int] = []
    class_names: tuple[str, ...] = ()
    digest = hashlib.sha256()
    for path in paths:
        try:
            table = pq.read_table(path)
        except Exception as error:
            raise DatasetError(f"{path.name} can't be read as Parquet: {_first_line(error)}") from error
        column = next((c for c in ("img", "image") if c in table.column_names), None)
        if column is None:
            raise DatasetError(f"{path.name} has no column 'img' or 'image', only {', '.join(table.column_names)}")
        cells = table.column(column).to_pylist()
        # A cell is a struct of bytes and path, as on the Hub, or only the bytes. A missing one counts as corrupt.
        sources += [(cell["bytes"] if isinstance(cell, dict) else cell) or b"" for cell in cells]
        inside = [(cell.get("path") if isinstance(cell, dict) else None) or "" for cell in cells]
        paths_inside += inside
        ids += [f"{path.name} row {i}" + (f" ({inner})" if inner else "") for i, inner in enumerate(inside)]
        if "label" in table.column_names:
            labels += table.column("label").to_pylist()
            class_names = class_names or _class_names(table)
        digest.update(path.read_bytes())
    groups = _first_folders(paths_inside) or _name_classes(labels, class_names, name)
    if groups is not None and len(groups) != len(sources):
        groups = None  # Only some of the files have labels.
    return ImageDataset(name, split, sources, ids, digest.hexdigest(), groups)


def _name_classes(labels: Sequence[Any], class_names: tuple[str, ...], data: str) -> list[str] | None:
    """Return the class name of each label; None if labels are not classes, or hidden, as in some test splits."""
    if not labels or not all(isinstance(label, int) and label >= 0 for label in labels):
        return None
    count = max(labels) + 1
    if not class_names and count <= len(CIFAR10_CLASSES) and data.startswith("cifar10"):
        class_names = CIFAR10_CLASSES
    if count > len(class_names):
        class_names = tuple(str(label) for label in range(count))
    return [class_names[label] for label in labels]


def _first_folders(paths: Sequence[str]) -> list[str] | None:
    """Return the first folder of each path; None if there are no paths, or one is not in a folder."""
    return [path.split("/")[0] for path in paths] if paths and all("/" in path.strip("/") for path in paths) else None


def _class_names(table: Any) -> tuple[str, ...]:
    """Read class names from the metadata that the `datasets` library writes to Parquet files."""
    import json

    header = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    return tuple(header.get("info", {}).get("features", {}).get("label", {}).get("names", ()))


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles CIFAR-10's batches, and refuses anything in them that could run code."""

    _allowed = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"refused: {module}.{name} doesn't belong in a CIFAR-10 batch")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _load_batches(folder: Path, split: str) -> ImageDataset:
    if split not in CIFAR10_ROWS:
        raise NoSplitError(f"cifar-10-batches-py has the splits train and test, not {split}")
    paths = [folder / "test_batch"] if split == "test" else sorted(folder.glob("data_batch_*"))
    if not paths:
        raise DatasetError(f"no data_batch_* in {folder}")
    pixels: list[NDArray[np.uint8]] = []
    groups: list[str] = []
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                batch = _PlainUnpickler(file, encoding="bytes").load()
            planes = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
            groups += [CIFAR10_CLASSES[label] for label in batch[b"labels"]]
        except Exception as error:
            raise DatasetError(f"{path.name} can't be read as a CIFAR-10 batch: {_first_line(error)}") from error
        pixels.append(planes.transpose(0, 2, 3, 1))
        digest.update(path.read_bytes())
    return _from_pixels(np.concatenate(pixels), groups, split, digest.hexdigest())


def _load_images(folder: Path, name: str, split: str) -> ImageDataset:
    paths = _find_images(folder)
    folders = {path.relative_to(folder).parts[0] for path in paths if path.parent != folder}
    splits = folders & _ALL_SPLIT_NAMES
    if splits:
        if others := folders - splits:
            raise DatasetError(
                f"{folder} has folders named after splits ({', '.join(sorted(splits))}) beside others "
                f"({', '.join(sorted(others))}), so it is unclear which are classes: move or rename some"
            )
        split_folder = next((name for name in _SPLIT_NAMES[split] if name in splits), None)
        if split_folder is None:
            raise NoSplitError(f"no folder of the split {split!r} in {folder}; available: {', '.join(sorted(splits))}")
        folder /= split_folder
        paths = [path for path in paths if path.is_relative_to(folder)]
    if not paths:
        raise DatasetError(f"no Parquet file, CIFAR-10 batch or image in {folder}")
    ids = [path.relative_to(folder).as_posix() for path in paths]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return ImageDataset(name, split if splits else ALL, paths, ids, digest.hexdigest(), _first_folders(ids))


def _find_images(folder: Path) -> list[Path]:
    """List the images in a folder and its subfolders, except hidden files, as file managers leave them."""
    extensions = readable_extensions()
    found = (path for path in folder.rglob("*") if path.suffix.lower() in extensions and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
