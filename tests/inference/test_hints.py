"""Hints in the result."""

import numpy as np
import pytest

from colorizer.inference.hints import Hint, enforce_hints, rasterize_hints


@pytest.mark.parametrize("places", [[(0.5, 0.5)], [(0.2, 0.5), (0.25, 0.5), (0.9, 0.1)]])
def test_what_the_network_misses_at_hints_is_corrected_there_and_nearby(places):
    chroma = np.zeros((24, 24, 2), np.float32)
    plane = rasterize_hints((24, 24), [Hint(x, y, (0.1, -0.2)) for x, y in places])
    corrected = enforce_hints(chroma, plane)
    hinted = plane[..., 2] > 0
    assert np.allclose(corrected[hinted], (0.1, -0.2), atol=1e-5)
    shares = corrected / np.float32((0.1, -0.2))
    assert shares.max() < 1.001  # Corrections of several hints don't add up.
    row, column = np.argwhere(hinted)[-1]
    assert shares[row + 2, column].min() > 0.7
    assert shares[row + 10, column].max() < 0.5
