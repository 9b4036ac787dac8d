import numpy as np
import pytest
from conftest import encode, random_images

from colorizer.data.sources import load_dataset
from colorizer.imaging.color import to_chroma, to_luma
from colorizer.training.unet_batches import (
    ImageArray,
    TrainingBatches,
    ValidationBatches,
    augment,
    change_tones,
    choose_side,
    draw_hints,
    load_colored,
    split_planes,
)


@pytest.fixture
def sets() -> list[ImageArray]:
    return [ImageArray(random_images(20, side, seed=side), np.arange(20, dtype=np.int32) + side) for side in (32, 48)]


def test_batches_follow_from_seed_and_step_alone(sets):
    batches = TrainingBatches(sets, (32, 48), 8, 50, seed=1)
    ahead = [batches(step) for step in range(20)]
    again = TrainingBatches(sets, (32, 48), 8, 50, seed=1)(13)
    for expected, actual in zip(ahead[13], again, strict=True):
        assert np.array_equal(expected, actual)
    other = TrainingBatches(sets, (32, 48), 8, 50, seed=2)
    assert any(not np.array_equal(ahead[step][0], other(step)[0]) for step in range(5))


def test_tones_change_within_bounds():
    rng = np.random.default_rng(0)
    lumas = np.full((200, 8, 8, 1), 0.5, np.float32)
    for luma in lumas:
        change_tones(luma, rng)
    means, grains = lumas.mean(axis=(1, 2, 3)), lumas.std(axis=(1, 2, 3))
    assert 0.3 < np.mean(np.abs(means - 0.5) > 0.02) < 0.6
    assert 0.1 < np.mean(grains > 1e-4) < 0.3
    assert (lumas.min(), lumas.max()) >= (0, 0.3)


def test_batches_have_one_size_each_and_as_many_pixels(sets):
    batches = TrainingBatches(sets, (32, 48), 8, 50, seed=1)
    shapes = {batches(step)[0].shape for step in range(50)}
    assert shapes == {(8, 32, 32, 1), (4, 48, 48, 1)}
    luma, hints, chroma, labels = batches(0)
    assert {luma.dtype, hints.dtype, chroma.dtype} == {np.dtype(np.float32)}
    assert hints.shape[:3] == chroma.shape[:3] == (len(labels), luma.shape[1] // 2, luma.shape[2] // 2)
    assert 0 <= luma.min() <= luma.max() <= 1


def test_every_pass_sees_every_image_once(sets):
    batches = TrainingBatches(sets[:1], (32,), 5, 12, seed=0)
    seen = np.concatenate([batches(step)[3] for step in range(12)]).reshape(3, 20)
    for one in seen:
        assert np.array_equal(np.sort(one), sets[0].labels)
    assert not np.array_equal(seen[0], seen[1])


def test_validation_is_all_images_without_hints(sets):
    batches = ValidationBatches(sets, 8)
    parts = [batches(i) for i in range(len(batches))]
    assert sum(len(labels) for *_, labels in parts) == 40
    assert not any(hints.any() for _, hints, _, _ in parts)
    assert np.allclose(parts[0][0][0, ..., 0] * 255, to_luma(sets[0].pixels[0]), atol=0.51)


def test_planes_are_luma_and_chroma_at_half_size():
    image = random_images(2)
    luma, chroma = split_planes(image)
    assert np.allclose(chroma[1, 3, 5], to_chroma(image[1, 6:8, 10:12]).mean(axis=(0, 1)), atol=1e-6)
    assert luma.shape == (2, 32, 32, 1)


def test_augmentation_mirrors_shifts_crops_and_enlarges():
    rng = np.random.default_rng(0)
    image = random_images(1, 64)[0]
    assert {augment(image, size, rng).shape for size in (32, 64, 96)} == {(32, 32, 3), (64, 64, 3), (96, 96, 3)}
    framed = np.pad(image, ((8, 8), (8, 8), (0, 0)), mode="reflect")
    shifted = np.lib.stride_tricks.sliding_window_view(framed, image.shape).reshape(-1, *image.shape)
    results = [augment(image, 64, rng) for _ in range(40)]
    plain, mirrored = (
        sum((shifted == result[:, ::step]).all(axis=(1, 2, 3)).any() for result in results) for step in (1, -1)
    )
    assert plain
    assert mirrored
    assert plain + mirrored < 30  # The others are cut or softened.


def test_augmentation_softens_some_images():
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=(64, 64, 3), dtype=np.uint8)
    contrasts = [augment(noise, 64, rng).std() / noise.std() for _ in range(200)]
    assert 0.3 < np.mean(np.array(contrasts) > 0.99) < 0.5  # Neither cut nor softened.
    assert min(contrasts) < 0.6  # Cuts alone, which keep six tenths of the side at least, leave more.


def test_hints_are_true_chroma_in_some_of_the_images():
    chroma = np.repeat(np.random.default_rng(1).random((1000, 1, 1, 2), np.float32), 16, axis=1).repeat(16, axis=2)
    rng = np.random.default_rng(0)
    hints = np.stack([draw_hints(plane, rng) for plane in chroma])
    hinted = hints[..., 2].any(axis=(1, 2))
    assert 0.2 < hinted.mean() < 0.4
    assert set(np.unique(hints[..., 2])) == {0, 1}
    fixed = hints[..., 2] == 1
    assert np.allclose(hints[fixed][:, :2], chroma[fixed], atol=1e-6)
    assert not hints[~fixed].any()


def test_gray_images_are_left_out(tmp_path):
    for i, image in enumerate(random_images(3, 40)):
        (tmp_path / f"{i}.png").write_bytes(encode(image))
    (tmp_path / "gray.png").write_bytes(encode(np.full((40, 40, 3), 90, np.uint8)))
    loaded = load_colored(load_dataset(str(tmp_path), "train"), 40)
    assert loaded.pixels.shape == (3, 40, 40, 3)
    assert (loaded.labels == -1).all()


@pytest.mark.parametrize(("sides", "chosen"), [((20, 45, 45), 32), ((50, 70, 70), 64), ((200, 28, 28), 32)])
def test_images_are_kept_at_the_largest_working_size_that_most_have(tmp_path, sides, chosen):
    for i, side in enumerate(sides):
        (tmp_path / f"{i}.png").write_bytes(encode(random_images(1, side)[0]))
    (tmp_path / "00.png").write_bytes(b"broken")
    dataset = load_dataset(str(tmp_path), "train")
    assert choose_side(dataset, (32, 32, 48, 64), skip_corrupt=True) == chosen
    assert load_colored(dataset, chosen, skip_corrupt=True).pixels.shape == (3, chosen, chosen, 3)
