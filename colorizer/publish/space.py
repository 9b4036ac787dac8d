"""Deploy the demo as a Hugging Face Space: files, requirements and front matter."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import SpaceCardData
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from colorizer.data.sources import CIFAR10_HUB
from colorizer.hub import MARK, Upload
from colorizer.inference.checkpoint import EXPORTED

PAYMENT = (
    "A Gradio Space on CPU hardware needs a paid Hugging Face account (PRO, or Team for an organization); otherwise "
    "the Hub answers 402, payment required, and nothing is created. A static Space (--static) is free."
)

_PYTHON = "3.11"
_MACHINE = {  # Environment of a Space, for the markers of requirements.
    "python_version": _PYTHON,
    "python_full_version": f"{_PYTHON}.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "extra": "",
}
_DEMO = (
    "app.py",
    "LICENSE",
    "colorizer/**/*.py",
    "colorizer/demo/assets/*",
    "samples/README.md",
    "samples/**/*.png",
    "samples/**/*.jpg",
    *(f"checkpoints/*/{name}" for name in (EXPORTED, "encoder.tflite", "decoder.tflite")),
    *(f"checkpoints/*/{name}" for name in ("config.json", "history*.csv")),
    *(f"checkpoints/*/{name}" for name in ("metrics.json", "metrics-samples.json", "metrics*-images.csv")),
)
_TEXTS = {
    "gradio": "Upload a photo, or browse the CIFAR-10 test set; the tab *How it works* is for learners.\n\n"
    "The test set is downloaded from the Hub when the Space starts, since `preload_from_hub` doesn't support\n"
    "datasets; if that fails, the demo shows its own samples instead.",
    "static": "Drop a photo: it is colorized in your browser and never leaves it.",
}


def plan_space(repo: str, *, static: bool = False, models: Sequence[str] = (), root: Path | None = None) -> Upload:
    """Collect the files of a Space: the whole package, samples, exported weights and their records.

    Files that only training or tests need are left out, but the package is uploaded whole, although a Space imports
    only part of it.

    Parameters
    ----------
    repo : str
        ``USER/NAME`` of the Space.
    static : bool
        Whether to deploy the static page in ``web/dist``, which colorizes in the browser, instead of the Gradio demo.
    models : sequence of str
        ``USER/MODEL`` of models on the Hub to link from the Space's page.
    root : pathlib.Path, optional
        The repository; by default the one that contains this module, or else the current folder.

    Returns
    -------
    Upload
        The files, with the Space's own ``README.md`` and ``requirements.txt``.

    Raises
    ------
    ValueError
        If the name isn't valid on the Hub, there is no repository, or the static page is not built.
    """
    candidates = [root] if root else [Path(__file__).parents[2], Path.cwd()]
    root = next(filter(_is_clone, candidates), None)
    if root is None:
        raise ValueError("a Space needs the files of the repository, not an installed package: run this in a clone")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    details: dict[str, Any] = {"license": project["license"].lower(), "models": list(models) or None}
    if static:
        page = root / "web/dist"
        if not (page / "index.html").is_file():
            raise ValueError("the static page is not built: there is no web/dist/index.html; `make web` builds it")
        found = {path.relative_to(page).as_posix(): path for path in sorted(page.rglob("*")) if path.is_file()}
        files: dict[str, Path | bytes] = {**found, "README.md": _readme("static", app_file="index.html", **details)}
        return Upload(repo, "space", files, owned=("*",), sdk="static")
    pins = pin_requirements(root, project)
    details |= {"sdk_version": pins["gradio"], "python_version": _PYTHON, "datasets": [CIFAR10_HUB]}
    files = {
        **_find_demo(root),
        "README.md": _readme("gradio", app_file="app.py", **details),
        "requirements.txt": "".join(f"{name}=={version}\n" for name, version in pins.items()).encode(),
    }
    folders = tuple(sorted({f"{path.split('/')[0]}/*" for path in files if "/" in path}))
    return Upload(repo, "space", files, owned=folders, sdk="gradio")


def pin_requirements(root: Path, project: dict[str, Any]) -> dict[str, str]:
    """List the demo's direct dependencies with the tested versions.

    Parameters
    ----------
    root : pathlib.Path
        The repository, whose ``requirements-lock.txt`` has the versions.
    project : dict
        The table ``project`` of its ``pyproject.toml``, with ``dependencies`` and the extra ``app``.

    Returns
    -------
    dict of str to str
        Version by package, for Linux on x86-64.

    Raises
    ------
    ValueError
        If ``requirements-lock.txt`` lacks one of them.
    """
    extras = project.get("optional-dependencies", {})
    wanted = [Requirement(line) for line in [*project["dependencies"], *extras["app"]]]
    for requirement in wanted:  # Grows in the loop: an extra may include other extras of the project.
        if requirement.name == project["name"]:
            wanted += [Requirement(line) for extra in sorted(requirement.extras) for line in extras[extra]]
    needed = {canonicalize_name(r.name) for r in wanted if r.name != project["name"] and _applies(r)}
    locked = [
        Requirement(line) for line in (root / "requirements-lock.txt").read_text("utf-8").splitlines() if line.strip()
    ]
    pins = {
        str(canonicalize_name(r.name)): str(r.specifier).removeprefix("==")
        for r in locked
        if canonicalize_name(r.name) in needed and _applies(r)
    }
    if missing := sorted(needed - pins.keys()):
        raise ValueError(f"requirements-lock.txt has no version of {', '.join(missing)}: run `make lock`")
    return pins


def _is_clone(folder: Path) -> bool:
    project = folder / "pyproject.toml"
    if not project.is_file() or not (folder / "app.py").is_file():
        return False
    return bool(tomllib.loads(project.read_text("utf-8")).get("project", {}).get("name") == "colorizer")


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(_MACHINE)


def _find_demo(root: Path) -> dict[str, Path]:
    """Return the demo's files by their path in the repository."""
    paths = [path for pattern in _DEMO for path in sorted(root.glob(pattern))]
    return {path.relative_to(root).as_posix(): path for path in paths}


def _readme(sdk: str, **details: Any) -> bytes:
    card = SpaceCardData(
        title="Colorizer",
        emoji="🎨",
        colorFrom="gray",
        colorTo="indigo",
        sdk=sdk,
        short_description="Colorizes grayscale images on a CPU",  # The Hub refuses more than 60 characters.
        tags=["image-colorization", MARK],
        **details,
    )
    limits = "The colors are plausible guesses, not evidence of how things looked."
    text = f"Colorizes grayscale images. {_TEXTS[sdk]}"
    return f"---\n{card.to_yaml()}\n---\n\n# Colorizer\n\n{text}\n\n{limits}\n".encode()
