import cv2
import numpy as np
import pytest
from conftest import encode, random_images

from colorizer.data.sources import load_dataset
from colorizer.imaging.color import to_chroma, to_luma
from colorizer.training.unet_batches import (
    ImageSet,
    TrainingBatches,
    ValidationBatches,
    augment,
    draw_hints,
    load_colored,
    make_example,
    shrink_chroma,
)


def write_images(folder, count, side):
    folder.mkdir()
    for i, image in enumerate(random_images(count, side, seed=side)):
        (folder / f"{i:02}.png").write_bytes(encode(image))
    return load_dataset(str(folder), "train")


@pytest.fixture
def sets(tmp_path) -> list[ImageSet]:
    """Two datasets whose images are seen at 96 and at 64."""
    return [load_colored(write_images(tmp_path / name, n, side), 96) for name, n, side in (("a", 10, 40), ("b", 8, 21))]


def test_small_images_are_enlarged_but_not_beyond_measure(sets):
    assert [(images.size, images.side, len(images)) for images in sets] == [(96, 40, 10), (64, 21, 8)]


def test_gray_images_are_left_out(tmp_path):
    write_images(tmp_path / "images", 3, 40)
    (tmp_path / "images/gray.png").write_bytes(encode(np.full((40, 40, 3), 90, np.uint8)))
    (tmp_path / "images/00-broken.png").write_bytes(b"broken")
    loaded = load_colored(load_dataset(str(tmp_path / "images"), "train"), 96, skip_corrupt=True)
    assert len(loaded) == 3
    assert all(np.ptp(loaded.dataset[i], axis=-1).any() for i in range(3))


def test_batches_have_one_size_each_and_as_many_pixels(sets):
    batches = TrainingBatches(sets, 4, 0, seed=1)
    shapes = [batches[i][0]["luma"].shape for i in range(len(batches))]
    assert set(shapes) == {(4, 96, 96, 1), (9, 64, 64, 1)}
    assert shapes[0] != shapes[1]  # Keras infers from the first two which axes vary.
    inputs, chroma = batches[0]
    assert inputs["hints"].shape == (*chroma.shape[:3], 3) == (4, 24, 24, 3)
    assert {inputs["luma"].dtype, inputs["hints"].dtype, chroma.dtype} == {np.dtype(np.float32)}
    assert 0 <= inputs["luma"].min() <= inputs["luma"].max() <= 1


def test_batches_follow_from_seed_and_step_and_epochs_differ(sets):
    def read(batches):
        return [batches[i][0]["luma"] for i in range(len(batches))]

    batches = TrainingBatches(sets, 4, 5, seed=1)
    first = read(batches)
    batches.epoch += 1
    second = read(batches)
    assert all(np.array_equal(*pair) for pair in zip(second, read(TrainingBatches(sets, 4, 5, 1, 1)), strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    assert not np.array_equal(first[0], TrainingBatches(sets, 4, 5, seed=2)[0][0]["luma"])


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_of_keras_give_the_same_batches_in_every_epoch(sets, workers):
    keras_adapters = pytest.importorskip("keras.src.trainers.data_adapters.py_dataset_adapter")
    batches = TrainingBatches(sets, 4, 5, seed=1, workers=workers)
    adapter = keras_adapters.PyDatasetAdapter(batches, shuffle=False)
    for epoch in range(3):
        adapter.on_epoch_begin()
        seen = [np.asarray(inputs["luma"]) for inputs, _ in adapter.get_numpy_iterator()]
        adapter.on_epoch_end()
        batches.epoch += 1
        expected = TrainingBatches(sets, 4, 5, seed=1, first_epoch=epoch)
        assert len(seen) == 5
        assert all(np.array_equal(luma, expected[i][0]["luma"]) for i, luma in enumerate(seen))


def test_every_pass_sees_every_image_once(tmp_path, monkeypatch):
    images = load_colored(write_images(tmp_path / "images", 12, 40), 96)
    seen: list[bytes] = []

    def note(rgb, size, rng, **options):
        seen.append(rgb.tobytes())
        return np.zeros((4, 4), np.uint8), np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 2), np.float32)

    monkeypatch.setattr("colorizer.training.unet_batches.make_example", note)
    batches = TrainingBatches([images], 4, 0, seed=0)
    assert len(batches) == 3
    for _ in range(2):
        for i in range(3):
            batches[i]
        batches.epoch += 1
    assert len(set(seen[:12])) == len(set(seen[12:])) == 12
    assert seen[:12] != seen[12:]


def test_validation_is_all_images_without_hints_or_aging(sets):
    batches = ValidationBatches([sets[0], sets[0], sets[1]], 3)
    parts = [batches[i] for i in range(len(batches))]
    assert sum(len(chroma) for _, chroma in parts) == 28
    assert parts[0][1].shape[1:] != parts[1][1].shape[1:]  # Keras infers from the first two which axes vary.
    assert not any(inputs["hints"].any() for inputs, _ in parts)
    enlarged = cv2.resize(sets[0].dataset[0], (96, 96), interpolation=cv2.INTER_CUBIC)
    assert np.array_equal(np.rint(parts[0][0]["luma"][0, ..., 0] * 255), to_luma(enlarged))


def test_an_example_is_luma_and_the_chroma_of_the_same_square():
    image = random_images(1, 64)[0]
    plain = 0
    for seed in range(20):
        luma, hints, chroma = make_example(image, 96, np.random.default_rng(seed))
        square = augment(image, 96, np.random.default_rng(seed))
        assert (luma.shape, hints.shape, chroma.shape) == ((96, 96), (24, 24, 3), (24, 24, 2))
        assert np.array_equal(chroma, shrink_chroma(square))
        plain += np.array_equal(luma, to_luma(square))
    assert 5 <= plain < 20  # The others are aged.


def test_the_clean_luma_can_follow_the_chroma(tmp_path):
    """It changes nothing else about an example, which isn't aged either."""
    image = random_images(1, 64)[0]
    for seed in range(6):
        plain = make_example(image, 96, np.random.default_rng(seed))
        more = make_example(image, 96, np.random.default_rng(seed), clean_luma=True)
        assert all(np.array_equal(a, b) for a, b in zip(plain, (*more[:2], more[2][..., :2]), strict=True))
        luma = to_luma(augment(image, 96, np.random.default_rng(seed))).astype(np.float32) / np.float32(255)
        assert np.array_equal(more[2][3, 5, 2:].reshape(4, 4), luma[12:16, 20:24])
    images = load_colored(write_images(tmp_path / "images", 4, 40), 96)
    assert TrainingBatches([images], 4, 1, seed=0, clean_luma=True)[0][1].shape == (4, 24, 24, 18)


def test_chroma_is_the_mean_of_the_cells():
    image = random_images(1, 32)[0]
    chroma = shrink_chroma(image)
    assert np.abs(chroma[3, 5] - to_chroma(image[12:16, 20:24]).mean(axis=(0, 1))).max() < 1 / 255


def test_augmentation_crops_and_mirrors_within_the_image():
    rng = np.random.default_rng(0)
    rows, columns = np.meshgrid(np.arange(120), np.arange(200), indexing="ij")
    image = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    squares = [augment(image, 64, rng) for _ in range(60)]
    assert {square.shape for square in squares} == {(64, 64, 3)}
    mirrored = [square[32, 0, 0] > square[32, -1, 0] for square in squares]
    assert 15 < sum(mirrored) < 45
    heights = [int(square[-1, 32, 1]) - int(square[0, 32, 1]) for square in squares]
    assert min(heights) < 110 < max(heights)


def test_hints_are_true_chroma_in_some_of_the_images():
    chroma = np.repeat(np.random.default_rng(1).random((1000, 1, 1, 2), np.float32), 16, axis=1).repeat(16, axis=2)
    rng = np.random.default_rng(0)
    hints = np.stack([draw_hints(plane, rng) for plane in chroma])
    hinted = hints[..., 2].any(axis=(1, 2))
    assert 0.4 < hinted.mean() < 0.6
    assert set(np.unique(hints[..., 2])) == {0, 1}
    fixed = hints[..., 2] == 1
    assert np.allclose(hints[fixed][:, :2], chroma[fixed], atol=1e-6)
    assert not hints[~fixed].any()
