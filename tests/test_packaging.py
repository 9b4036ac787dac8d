import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
def test_installed_package_colorizes_with_its_own_weights(tmp_path):
    """Build the wheel, unpack it far from the repository, and use it there."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT]
    subprocess.run(build, check=True, timeout=200)
    (wheel,) = tmp_path.glob("colorizer-*.whl")
    assert wheel.stat().st_size < 45e6
    target = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "site", wheel]
    subprocess.run(target, check=True, timeout=100)
    code = (
        "import sys; sys.path.insert(0, 'site'); import colorizer; from colorizer.cli import main; "
        "from colorizer.files import resource_folder; assert 'site' in colorizer.__file__; "
        "cat = resource_folder('samples') / 'cifar10/00_cat.png'; assert 'site' in str(cat); "
        "sys.exit(main(['colorize', str(cat), '--output', 'cat.png']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=100)
    assert (tmp_path / "cat.png").read_bytes().startswith(b"\x89PNG")
