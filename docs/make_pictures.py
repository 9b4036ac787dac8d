"""Draw the pictures that README shows, from the samples and the committed weights: ``python docs/make_pictures.py``."""

from pathlib import Path

import cv2
import numpy as np

from colorizer import Colorizer, decode_image, save_image
from colorizer.imaging.color import gray_copy

ROOT = Path(__file__).parent.parent
GAP = 2


def stack(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Lay out images of one size in rows, white between them."""
    padded = [[np.pad(i, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255) for i in row] for row in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in padded])


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


if __name__ == "__main__":
    main()
