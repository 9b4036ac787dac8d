"""Publish a trained model on the Hugging Face Hub: its files, and a model card made from its record."""

import json
import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from huggingface_hub import EvalResult, ModelCardData

from colorizer.data.sources import CIFAR10_HUB
from colorizer.evaluation.metrics import compare
from colorizer.evaluation.plots import plot_grid
from colorizer.files import resource_folder
from colorizer.hub import MARK, Upload
from colorizer.imaging.color import gray_copy
from colorizer.imaging.decode import decode_image
from colorizer.inference.checkpoint import CONFIG, Checkpoint
from colorizer.inference.colorizer import Colorizer

_FILES = (
    "model.keras",
    "*.tflite",
    "config.json",
    "history*.csv",
    "metrics*.json",
    "metrics-images.csv",
    "golden.png",
    "samples.png",
    "curves.png",
)
_PICTURE = "good-and-bad.png"
_SHOWN = 4  # Number of good and of bad results in the picture.
_TITLES = {"autoencoder": "Colorizer: autoencoder", "unet": "Colorizer: U-Net"}
_DESCRIPTIONS = {
    "autoencoder": "The network is an autoencoder: it encodes a thumbnail of the image as a latent vector and\n"
    "decodes that to RGB.",
    "unet": "The network is a U-Net: for each position in a thumbnail it predicts a distribution over colors. It\n"
    "offers the color with the smallest expected error or more vivid ones, several alternatives, and a map of\n"
    "its uncertainty; and it accepts hints (colors you set for individual pixels).",
}
_METRICS = {
    "mse": "Mean squared error",
    "relative_mse": "Relative MSE (MSE over that of the gray baseline)",
    "psnr": "PSNR (dB)",
    "psnr_gain": "PSNR gain over the gray baseline (dB)",
    "ssim": "SSIM",
    "delta_e": "CIEDE2000",
    "auc": "AuC (Zhang et al. 2016)",
    "colorfulness": "Colorfulness",
}
_LIMITS = """
- The colors are plausible guesses, not evidence of how things looked.
- Many colors are plausible for the same gray; the prediction is close to their mean: muted, often brownish.
- Color has the resolution of a thumbnail: small things take on the color of their surroundings.
- The further an image is from the training data, the less reliable its colors.
"""
_COPIES = """
**The CIFAR-10 images used here had been saved as JPEG.** JPEG stores color at a lower resolution than brightness, so
both the colors that the model learned and the true colors that it is measured against have lost some detail. The
results can be compared with each other and with the gray baseline, not with results on the lossless originals. The
SHA-256 in `config.json` and in the metrics files identifies the files."""
_MEANING = """
Means over the images. `relative_mse` is the mean squared error (`mse`) divided by that of the gray baseline, the gray
image in all three channels. `delta_e` is CIEDE2000; `psnr` is capped at 50 dB per image, and `psnr_gain` leaves out
images that are nearly gray. `auc` is the percentage of pixels whose error in (a*, b*) is at most a threshold, averaged
over thresholds from 0 to 150."""
_CARD = """---
{metadata}
---

# {title}

Colorizes grayscale images of any size. {description}
It has {parameters:,} parameters. Only the colors come from the thumbnail; the brightness is the image's own, at full
resolution.

## Use

```python
from colorizer import Colorizer, save_image

colorizer = Colorizer.load("hf://{repo}")  # hf://{repo}@COMMIT needs no network once it is cached
save_image(colorizer.colorize("photo.jpg"), "color.png")
```

Only the weights and `config.json` are downloaded; weights won't load unless their SHA-256 matches `config.json`.
They can't run code. On the command line: `colorizer colorize photo.jpg --output color.png --model hf://{repo}`.

## Intended use

Adding plausible color to grayscale photographs, for fun, for teaching, or as a small baseline, with a person checking
each result. It is not intended as evidence, for historical images whose colors aren't labeled as invented, or for
medical, scientific or satellite images.

## Limits

{limits}

## Training data

{data}

## Results

{results}

## Good and bad results

![Sample images: grayscale, colorized, ground truth]({picture})

From the project's sample images, the first ones of the CIFAR-10 test set, colorized with the default options: the
{shown} with the lowest relative MSE, then the {shown} with the highest.

## Training

{training}
{citation}"""


def plan_model(repo: str, model: str) -> Upload:
    """Collect a model's files and write its model card.

    Parameters
    ----------
    repo : str
        ``USER/MODEL``.
    model : str
        As in `colorizer.inference.colorizer.Colorizer.load`.

    Returns
    -------
    Upload
        Weights, record, pictures and the model card, ``README.md``.

    Raises
    ------
    colorizer.inference.checkpoint.ModelError
        If there is no such model, or it can't be used.
    ValueError
        If the name isn't valid on the Hub, a file is missing, or a record isn't of these weights.
    """
    checkpoint = Checkpoint.find(model)
    folder = checkpoint.folder
    found = {path.name: path for pattern in _FILES for path in sorted(folder.glob(pattern))}
    found.pop("metrics-samples.json", None)  # For sorting the demo's samples: too few images to evaluate a model.
    if CONFIG not in found:
        raise ValueError(f"the weights of {model} have no {CONFIG}, the training record, beside them")
    config = checkpoint.read_config()
    for name in sorted(
        checkpoint.read_hashes().keys() | {name for name in found if name.endswith((".keras", ".tflite"))}
    ):
        if name not in found:
            raise ValueError(
                f"{name} of {model} is missing, but its config.json describes it: push the model with all its files"
            )
        checkpoint.read_weights(name)  # Raises unless the SHA-256 matches the record.
    measured = [name for name in found if name.startswith("metrics") and name.endswith(".json")]
    measured.sort(key=len)  # metrics.json first.
    records = {name: json.loads(found[name].read_text("utf-8")) for name in measured}
    for name, record in records.items():
        if record["model_sha256"] != config["model_sha256"]:
            raise ValueError(f"{name} was measured with weights other than those of {model}: run `colorizer evaluate`")
    files: dict[str, Path | bytes] = {
        **found,
        "README.md": _write_card(repo, folder, config, list(records.values()), found).encode(),
        _PICTURE: _draw_good_and_bad(Colorizer.load(model)),
    }
    return Upload(repo, "model", files, owned=(*_FILES, _PICTURE))


def _draw_good_and_bad(colorizer: Colorizer) -> bytes:
    """Plot the samples with the lowest and the highest relative MSE, best first, as a PNG file."""
    truth = np.stack([decode_image(path) for path in sorted((resource_folder("samples") / "cifar10").glob("*.png"))])
    gray = np.stack([gray_copy(image) for image in truth])
    result = np.stack(colorizer.colorize_batch(list(truth)))
    relative = [compare(t, r)["mse"] / compare(t, g)["mse"] for t, r, g in zip(truth, result, gray, strict=True)]
    order = np.argsort(relative)
    shown = np.concatenate([order[:_SHOWN], order[-_SHOWN:]])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _PICTURE
        plot_grid({"grayscale": gray[shown], "colorized": result[shown], "ground truth": truth[shown]}, path)
        return path.read_bytes()


def _write_card(
    repo: str, folder: Path, config: dict[str, Any], records: list[dict[str, Any]], files: Collection[str]
) -> str:
    name = config["model"]
    title = _TITLES.get(name, name)
    cifar10 = [d for d in [*config["data"], *(record["data"] for record in records)] if d["name"] == "cifar10"]
    metadata = ModelCardData(
        license="mit",
        library_name="colorizer",
        pipeline_tag="image-to-image",
        tags=["image-colorization", "keras", MARK],
        datasets=[CIFAR10_HUB] if cifar10 else None,
        model_name=title,
        eval_results=[result for record in records for result in _eval_results(record)] or None,
    )
    data = [f"- {d['name']} ({d['split']}): {d['rows']:,} images, SHA-256 `{d['sha256']}`" for d in config["data"]]
    if any(d.get("encoding") == "JPEG" for d in cifar10):
        data.append(_COPIES)
    pictures = {"curves.png": "Loss by epoch", "samples.png": "Validation images"}
    training = [f"![{text}]({file})" for file, text in pictures.items() if file in files]
    return _CARD.format(
        metadata=metadata.to_yaml(),
        title=title,
        description=_DESCRIPTIONS.get(name, ""),
        parameters=config["parameters"],
        repo=repo,
        limits=_limits(folder).strip(),
        data="\n".join(data),
        results=_results(records),
        picture=_PICTURE,
        shown=_SHOWN,
        training="\n\n".join([*training, "`config.json` has all options, the machine and the versions."]),
        citation=_citation(),
    )


def _eval_results(record: dict[str, Any]) -> list[EvalResult]:
    data, vividness = record["data"], record["vividness"]
    return [
        EvalResult(
            task_type="image-to-image",
            task_name="Image colorization",
            dataset_type=CIFAR10_HUB if data["name"] == "cifar10" else data["name"],
            dataset_name=_name(data),
            dataset_split=data["split"],
            metric_type=key,
            metric_name=f"{name}, vividness {vividness:g}",
            metric_value=record[key],
        )
        for key, name in _METRICS.items()
        if record.get(key) is not None
    ]


def _name(data: dict[str, Any]) -> str:
    """Return the name of a dataset with what affects results on it: the encoding and the long side, if downscaled."""
    details = [data.get("encoding"), f"{data['size']} pixels" if "size" in data else None]
    suffix = ", ".join(detail for detail in details if detail)
    return f"{data['name']} ({suffix})" if suffix else data["name"]


def _results(records: list[dict[str, Any]]) -> str:
    """Make a table of all records, each with its gray baseline."""
    if not records:
        return "Not measured yet."
    lines = ["| data | images | | " + " | ".join(_METRICS) + " |", "|---|---|---|" + "---|" * len(_METRICS)]
    for record in records:
        data = f"{_name(record['data'])}, {record['data']['split']}"
        rows = {f"colorized, vividness {record['vividness']:g}": record}
        rows |= {"network's own output": record["raw"]} if "raw" in record else {}
        for name, row in {**rows, "gray baseline": record["gray_baseline"]}.items():
            figures = " | ".join(_format(row.get(key), 5 if key == "mse" else 3) for key in _METRICS)
            lines.append(f"| {data} | {row['n']:,} | {name} | {figures} |")
    return "\n".join([*lines, _MEANING])


def _format(value: float | None, digits: int) -> str:
    """Format a number; a dash if it wasn't measured or is undefined, as for gray images only."""
    return "–" if value is None else f"{value:.{digits}f}"


def _limits(folder: Path) -> str:
    """Return the section "Limits" written for these weights, or else a general one."""
    written = [folder / "README.md"]
    if folder.resolve() == (resource_folder("checkpoints") / "unet").resolve():
        written.append(Path(__file__).parents[2] / "docs/model-card.md")
    for path in written:
        text = path.read_text("utf-8") if path.is_file() else ""
        if match := re.search(r"^## Limits\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
            # Linked pictures and files are not on the Hub.
            without_pictures = re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)", "", match[1])
            return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", without_pictures)
    return _LIMITS


def _citation() -> str:
    """Convert CITATION.cff to BibTeX; an installed package has none."""
    path = Path(__file__).parents[2] / "CITATION.cff"
    if not path.is_file():
        return ""
    source = yaml.safe_load(path.read_text("utf-8"))
    names = [author.get("name") or f"{author['family-names']}, {author['given-names']}" for author in source["authors"]]
    fields = {
        "title": source["title"],
        "author": " and ".join("{" + name + "}" for name in names),
        "year": str(source["date-released"])[:4],
        "version": source["version"],
        "license": source["license"],
    }
    lines = "\n".join(f"  {key} = {{{value}}}," for key, value in fields.items())
    return f"\n## Cite\n\n```bibtex\n@software{{colorizer,\n{lines}\n}}\n```\n"
