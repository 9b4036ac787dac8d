from itertools import pairwise

import cv2
import numpy as np
import pytest
from conftest import ROOT

from benchmarks.films import Film, make_film, measure_flicker
from colorizer.imaging.color import to_chroma, to_luma
from colorizer.imaging.decode import decode_image
from colorizer.video.steadying import EVERY, Steadier

PHOTOS = [decode_image(ROOT / f"samples/photos/{name}.jpg")[..., :3] for name in ("cat", "coffee", "rocket")]


def shrink(image: np.ndarray, width: int) -> np.ndarray:
    return cv2.resize(image, (width, round(image.shape[0] * width / image.shape[1])), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def film() -> Film:
    return make_film([shrink(photo, 300) for photo in PHOTOS], 3, count=40, size=(108, 192), grain=4)


def true_chroma(film: Film) -> list[np.ndarray]:
    return [to_chroma(frame) for frame in film.frames]


def noisy(film: Film) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return luma, and predictions that are right on average but different in each frame."""
    rng = np.random.default_rng(0)
    small = [shrink(chroma, 48) for chroma in true_chroma(film)]
    return [to_luma(frame) for frame in film.frames], [
        chroma + cv2.resize(rng.normal(0, 0.2, (13, 24, 2)), (48, 27)).astype(np.float32) for chroma in small
    ]


def run(lumas: list, predicted: list, *, every: int = 1, together: int = 8) -> tuple[list[np.ndarray], list[int]]:
    """Steady the colors; return the chroma of each frame, and which frames the network saw."""
    places = {id(luma): i for i, luma in enumerate(lumas)}
    seen: list[int] = []

    def predict(given: list) -> list:
        seen.extend(places[id(luma)] for luma in given)
        return [predicted[places[id(luma)]] for luma in given]

    steadier = Steadier(predict, every)
    steady = []
    for i in range(0, len(lumas), together):
        steady += [chroma for _, chroma in steadier.steady(lumas[i : i + together])]
    return steady, seen


def error(chromas: list, film: Film) -> float:
    return float(np.mean([((a - b) ** 2).mean() for a, b in zip(chromas, true_chroma(film), strict=True)]))


@pytest.mark.parametrize("every", [1, EVERY])
def test_color_flickers_less_and_is_closer_to_the_truth(film: Film, every: int) -> None:
    lumas, predicted = noisy(film)
    alone = [
        Steadier(lambda _, chroma=chroma: [chroma]).steady([luma])[0][1]
        for luma, chroma in zip(lumas, predicted, strict=True)
    ]
    steady, _ = run(lumas, predicted, every=every)
    assert measure_flicker(film, steady) < 0.4 * measure_flicker(film, alone)
    assert error(steady, film) < error(alone, film)
    assert np.mean([np.abs(c).mean() for c in steady]) > 0.8 * np.mean([np.abs(c).mean() for c in true_chroma(film)])


def test_no_color_crosses_a_cut(film: Film) -> None:
    lumas, predicted = noisy(film)
    steady, seen = run(lumas, predicted, every=50)
    scenes = [i for i, way in enumerate(film.ways) if way is None]
    assert len(scenes) == 3
    assert set(scenes) <= set(seen)
    for i in scenes:
        alone = Steadier(lambda _, i=i: [predicted[i]]).steady([lumas[i]])[0][1]
        assert np.array_equal(steady[i], alone)


def test_a_pan_is_no_cut() -> None:
    film = make_film([shrink(photo, 300) for photo in PHOTOS], 1, count=20, size=(108, 192), cuts=0)
    lumas, predicted = noisy(film)
    steady, _ = run(lumas, predicted)
    changes = [np.abs(a - b).mean() for a, b in pairwise(steady[5:])]
    assert max(changes) < 0.5 * np.abs(predicted[1] - predicted[0]).mean()


def test_batch_size_does_not_change_the_result(film: Film) -> None:
    lumas, predicted = noisy(film)
    whole, _ = run(lumas, predicted, every=2)
    single, _ = run(lumas, predicted, every=2, together=1)
    assert all(np.array_equal(a, b) for a, b in zip(whole, single, strict=True))


def test_only_every_nth_frame_goes_through_the_network(film: Film) -> None:
    lumas, predicted = noisy(film)
    still = [lumas[0]] * 12
    calls = []
    Steadier(lambda given: calls.append(len(given)) or [predicted[0]] * len(given), 3).steady(still)
    assert calls == [4]


def test_pictures_too_small_for_flow_are_colored() -> None:
    for size in ((1, 1), (1, 300), (300, 1), (5, 9)):
        lumas = [np.full(size, 90, np.uint8)] * 3
        predicted = np.full((max(1, size[0] // 2), max(1, size[1] // 2), 2), 0.1, np.float32)
        steady = Steadier(lambda given, predicted=predicted: [predicted] * len(given)).steady(lumas)
        assert all(np.allclose(chroma, 0.1, atol=1e-3) for _, chroma in steady)
