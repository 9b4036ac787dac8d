// From pixels to color: what colorizer/chroma_painter.py does, without hints.

import {joinUpsampled, toLuma} from './color.js';
import {mirror, plane, resizeLinear, round, shrinkBytes, toBytes} from './planes.js';

export const DETAIL = 96;
const SMOOTHING = 0.5;

/** An image whose colors are predicted; they can then be had at any vividness. */
export class Prediction {
  #network;
  #rgba;
  #luma;
  #distribution;  // At each place of the chroma grid, the probabilities of the bins.
  #grid;

  /** Predict the colors of an ImageData. */
  static async of(network, image) {
    const prediction = new Prediction();
    prediction.#network = network;
    prediction.#rgba = image.data;
    prediction.#luma = plane(image.height, image.width, 1, toLuma(image.data));
    await prediction.#predict();
    return prediction;
  }

  get gray() {
    const {data, width} = this.#luma;
    const result = new Uint8ClampedArray(4 * data.length);
    for (let i = 0; i < data.length; i++) {
      result.fill(data[i], 4 * i, 4 * i + 3);
      result[4 * i + 3] = this.#rgba[4 * i + 3];
    }
    return new ImageData(result, width);
  }

  /** Give the image its colors, from those of least error (0) to as vivid as real ones (1): ImageData. */
  colorize(vividness) {
    const {bins, prior, vividExponent} = this.#network.settings;
    const weights = prior.map((p) => ((1 - SMOOTHING) * p + SMOOTHING / prior.length) ** (-vividness * vividExponent));
    const chroma = plane(...this.#grid, 2);
    for (let i = 0; i < chroma.data.length / 2; i++) {
      let [sum, cb, cr] = [0, 0, 0];
      for (let k = 0; k < bins.length; k++) {
        const weight = this.#distribution[i * bins.length + k] * weights[k];
        sum += weight;
        cb += weight * bins[k][0];
        cr += weight * bins[k][1];
      }
      chroma.data[2 * i] = cb / sum;
      chroma.data[2 * i + 1] = cr / sum;
    }
    return new ImageData(joinUpsampled(this.#luma, chroma, this.#rgba), this.#luma.width);
  }

  async #predict() {
    const {bins, multiple} = this.#network.settings;
    const {data, height, width} = shrink(this.#luma);
    const [rows, columns] = [height, width].map((side) => Math.ceil(side / multiple) * multiple);
    // The thumbnail and its mirror image; edges are mirrored up to the size that the network takes.
    const luma = new Float32Array(2 * rows * columns);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const [row, column] = [mirror(y, height) * width, mirror(x, width)];
        luma[y * columns + x] = data[row + column] / 255;
        luma[(rows + y) * columns + x] = data[row + width - 1 - column] / 255;
      }
    }
    const logits = await this.#network.run(luma, 2, rows, columns);

    this.#grid = [height / 2, width / 2];
    const count = bins.length;
    this.#distribution = new Float32Array((height / 2) * (width / 2) * count);
    for (let y = 0; y < height / 2; y++) {
      for (let x = 0; x < width / 2; x++) {
        const [one, other] = [[0, x], [1, width / 2 - 1 - x]].map(([image, column]) => {
          const start = (((image * rows) / 2 + y) * (columns / 2) + column) * count;
          return softmax(logits.subarray(start, start + count));
        });
        for (let k = 0; k < count; k++)
          this.#distribution[(y * (width / 2) + x) * count + k] = (one[k] + other[k]) / 2;
      }
    }
  }
}

/** Bring luma to the thumbnail that the network sees: even sides, at most DETAIL long, never enlarged. */
function shrink(luma) {
  const scale = Math.min(1, DETAIL / Math.max(luma.height, luma.width));
  const [height, width] = [luma.height, luma.width].map((side) => 2 * Math.max(1, round((side * scale) / 2)));
  if (height === luma.height && width === luma.width) return luma;
  const shrinks = scale < 1 && height <= luma.height && width <= luma.width;
  return shrinks ? shrinkBytes(luma, height, width) : toBytes(resizeLinear(luma, height, width));
}

function softmax(logits) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}
