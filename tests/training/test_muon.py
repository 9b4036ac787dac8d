import keras
import numpy as np

from colorizer.training.muon import ConvolutionMuon


def step(shape: tuple[int, ...], name: str = "kernel") -> np.ndarray:
    """Take a step of rate 1 from 0, against a random gradient."""
    variable = keras.Variable(np.zeros(shape, np.float32), name=name)
    optimizer = ConvolutionMuon(1.0, weight_decay=None, adam_weight_decay=None, exclude_layers=["^last"])
    gradient = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * np.float32([10, 1, 1, 0.3])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable)


def test_a_kernel_is_changed_alike_in_all_directions():
    values = np.linalg.svd(step((3, 3, 8, 4)).reshape(-1, 4), compute_uv=False)
    length = 0.2 * np.sqrt(72)  # As long as a step of Adam.
    assert (values > 0.5 * length).all()
    assert (values < 1.3 * length).all()


def test_vectors_and_excluded_layers_are_changed_as_by_adam():
    for change in (step((4,)), step((3, 3, 8, 4), "last_kernel")):
        assert np.allclose(np.abs(change), 1, atol=0.01)
