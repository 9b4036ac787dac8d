import subprocess
import sys
import tomllib

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.mark.slow
def test_installed_package_colorizes_with_its_own_weights(tmp_path):
    """Build the wheel, unpack it far from the repository, and use it there."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT]
    subprocess.run(build, check=True, timeout=400)
    (wheel,) = tmp_path.glob("colorizer-*.whl")
    assert wheel.stat().st_size < 45e6
    target = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "site", wheel]
    subprocess.run(target, check=True, timeout=400)
    code = (
        "import sys; sys.path.insert(0, 'site'); import colorizer; from colorizer.cli import main; "
        "from colorizer.files import resource_folder; assert 'site' in colorizer.__file__; "
        "cat = resource_folder('samples') / 'cifar10/00_cat.png'; assert 'site' in str(cat); "
        "sys.exit(main(['colorize', str(cat), '--output', 'cat.png']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=400)
    assert (tmp_path / "cat.png").read_bytes().startswith(b"\x89PNG")


def test_requirements_are_the_direct_dependencies_as_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(line) for line in [*project["dependencies"], *extras["app"], *extras["train"]]]
    for requirement in wanted:  # An extra may bring others of the project.
        wanted += [Requirement(line) for extra in requirement.extras if extra in extras for line in extras[extra]]
    listed = (ROOT / "requirements.txt").read_text().splitlines()
    assert {canonicalize_name(Requirement(line).name) for line in listed} == {
        canonicalize_name(r.name) for r in wanted if r.name != project["name"]
    }
    assert set(listed) <= set((ROOT / "requirements-lock.txt").read_text().splitlines())
