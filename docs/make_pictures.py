"""Make README's pictures from the samples and the committed weights: ``python docs/make_pictures.py``."""

from pathlib import Path

import cv2
import numpy as np

from colorizer import Colorizer, decode_image, save_image
from colorizer.imaging.color import gray_copy, to_luma
from colorizer.imaging.upsampling import join_upsampled
from colorizer.video.steadying import Steadier

ROOT = Path(__file__).parent.parent
GAP = 2


def stack(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Lay out images of one size in rows, white between them."""
    padded = [[np.pad(i, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255) for i in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in padded])


def film(photo: np.ndarray, count: int, size: tuple[int, int], speed: int) -> list[np.ndarray]:
    """Make a gray film, with grain, of a camera that moves to the right over a photograph."""
    rng = np.random.default_rng(0)
    top = (photo.shape[0] - size[0]) // 2
    views = [photo[top : top + size[0], speed * i : speed * i + size[1]] for i in range(count)]
    return [np.clip(to_luma(view) + rng.normal(0, 8, size), 0, 255).astype(np.uint8) for view in views]


def draw_video(colorizer: Colorizer, photo: np.ndarray) -> np.ndarray:
    """Draw four frames of a film, and one column of the scene over time: frame by frame above, stabilized below."""
    speed, count, size = 2, 60, (240, 320)
    lumas = film(photo, count, size, speed)
    single = [join_upsampled(luma, colorizer.predict_chroma([luma])[0]) for luma in lumas]
    steadied = [
        join_upsampled(luma, chroma)
        for luma, (_, chroma) in zip(lumas, Steadier(colorizer.predict_chroma).steady(lumas), strict=True)
    ]
    column = speed * count
    strips = [
        np.stack([frame[:, column - speed * i] for i, frame in enumerate(frames)], axis=1)
        for frames in (single, steadied)
    ]
    shown = stack([[steadied[i] for i in (0, 20, 40, 59)]])
    wide = [cv2.resize(strip, (shown.shape[1] - 2 * GAP, 135), interpolation=cv2.INTER_NEAREST) for strip in strips]
    return np.concatenate([shown, *(stack([[strip]]) for strip in wide)])


def main() -> None:
    """Draw the thumbnails, enlarged without smoothing, and a photograph."""
    autoencoder, unet = Colorizer.load("autoencoder"), Colorizer.load("unet")
    truth = [decode_image(path) for path in sorted((ROOT / "samples/cifar10").glob("*.png"))[:10]]
    rows = [
        [gray_copy(image) for image in truth],
        autoencoder.colorize_batch(truth),
        autoencoder.colorize_batch(truth, raw=True),
        unet.colorize_batch(truth, vividness=0),
        unet.colorize_batch(truth, vividness=1),
        truth,
    ]
    save_image(stack([[i.repeat(3, axis=0).repeat(3, axis=1) for i in row] for row in rows]), ROOT / "docs/cifar10.png")

    photo = decode_image(ROOT / "samples/photos/astronaut.jpg")
    panels = [gray_copy(photo), autoencoder.colorize(photo), unet.colorize(photo), photo]
    smaller = [cv2.resize(panel, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA) for panel in panels]
    save_image(stack([smaller]), ROOT / "docs/photo.jpg")

    save_image(draw_video(unet, decode_image(ROOT / "samples/photos/coffee.jpg")), ROOT / "docs/video.jpg")


if __name__ == "__main__":
    main()
