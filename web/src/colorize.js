// From pixels to color: what colorizer/inference/unet.py does, without hints.

import {joinUpsampled, toLuma} from './color.js';
import {flip, mean, mirror, plane, resizeCubic, resizeLinear, round, shrinkBytes, toBytes} from './planes.js';

const DETAIL = 128;
const SHARPENING = 0.4;
const SMOOTHING = 0.5;

/** An image whose colors are predicted; they can then be had at any vividness. */
export class Prediction {
  #network;
  #rgba;
  #luma;
  #distribution;  // At each place of the chroma grid, the probabilities of the bins.

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
    const {height, width, data} = this.#distribution;
    const chroma = plane(height, width, 2);
    for (let i = 0; i < chroma.data.length / 2; i++) {
      let [sum, cb, cr] = [0, 0, 0];
      for (let k = 0; k < bins.length; k++) {
        const weight = data[i * bins.length + k] * weights[k];
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
    const thumbnail = shrink(this.#luma, DETAIL);
    const plain = await this.#distribute(thumbnail);
    // The mirror image is no larger than what the network learned from.
    const small = shrink(thumbnail, Math.max(...this.#network.settings.sizes));
    const mirrored = flip(await this.#distribute(flip(small)));
    const other = resizeLinear(mirrored, plain.height, plain.width);
    this.#distribution = plain;
    for (let i = 0; i < plain.data.length; i++) plain.data[i] = (plain.data[i] + other.data[i]) / 2;
  }

  /** Give the probabilities of the bins at each place of the chroma grid of a thumbnail. */
  async #distribute({data, height, width}) {
    const {bins, multiple} = this.#network.settings;
    const [rows, columns] = [height, width].map((side) => Math.ceil(side / multiple) * multiple);
    const luma = new Float32Array(rows * columns);  // Edges are mirrored up to the size that the network takes.
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) luma[y * columns + x] = data[mirror(y, height) * width + mirror(x, width)] / 255;
    const logits = await this.#network.run(luma, rows, columns);

    const result = plane(height / 2, width / 2, bins.length);
    for (let y = 0; y < result.height; y++) {
      for (let x = 0; x < result.width; x++) {
        const start = ((y * columns) / 2 + x) * bins.length;
        result.data.set(softmax(logits.subarray(start, start + bins.length)), (y * result.width + x) * bins.length);
      }
    }
    return result;
  }
}

/** Bring luma to a thumbnail that the network sees: even sides, at most `detail` long, never enlarged. */
function shrink(luma, detail) {
  const scale = Math.min(1, detail / Math.max(luma.height, luma.width));
  const [height, width] = [luma.height, luma.width].map((side) => 2 * Math.max(1, round((side * scale) / 2)));
  if (height === luma.height && width === luma.width) return luma;
  if (scale === 1) return toBytes(resizeLinear(luma, height, width));
  const twice = shrinkBytes(luma, Math.min(2 * height, luma.height), Math.min(2 * width, luma.width));
  const small = toBytes(resizeCubic(twice, height, width));
  const {data: blurred} = toBytes(mean(small, [1, 1]));
  return toBytes(plane(height, width, 1, small.data.map((v, i) => v + SHARPENING * (v - blurred[i]))));
}

function softmax(logits) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}
