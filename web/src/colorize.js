// From pixels to color: what colorizer/inference/unet.py does, without hints.

import {joinUpsampled, toLuma} from './color.js';
import {flip, mean, mirror, plane, resizeCubic, resizeLinear, round, shrinkBytes, toBytes} from './planes.js';

const SMOOTHING = 0.5;

/** An image with its predicted colors, which can be shown at any vividness. */
export class Prediction {
  #network;
  #rgba;
  #luma;
  #distribution;  // Probabilities of the bins, in each cell of the chroma grid.

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

  /** Colorize the image, from the smallest expected error (0) to as colorful as real images (1): ImageData. */
  colorize(vividness) {
    const {bins, prior, vividExponent, vividNoise, vividGain} = this.#network.settings;
    const weights = prior.map((p) => ((1 - SMOOTHING) * p + SMOOTHING / prior.length) ** (-vividness * vividExponent));
    const floor = (vividness * vividNoise) ** 2;
    const gain = 1 + vividness * (vividGain - 1);
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
      const power = (cb * cb + cr * cr) / (sum * sum);  // Faint colors are suppressed: suppress_noise in Python.
      const factor = (gain * power) / Math.max(power + floor, 1e-12) / sum;
      chroma.data[2 * i] = cb * factor;
      chroma.data[2 * i + 1] = cr * factor;
    }
    return new ImageData(joinUpsampled(this.#luma, chroma, this.#rgba), this.#luma.width);
  }

  async #predict() {
    const {settings} = this.#network;
    const thumbnail = shrink(this.#luma, settings.workingSize, settings);
    const plain = await this.#distribute(thumbnail);
    this.#distribution = plain;
    if (!settings.mirroredSize) return;
    const larger = Math.max(thumbnail.height, thumbnail.width) > settings.mirroredSize;
    const small = larger ? shrink(thumbnail, settings.mirroredSize, settings) : thumbnail;
    const mirrored = flip(await this.#distribute(flip(small)));
    const other = resizeLinear(mirrored, plain.height, plain.width);
    for (let i = 0; i < plain.data.length; i++) plain.data[i] = (plain.data[i] + other.data[i]) / 2;
  }

  /** Predict the probabilities of the bins in each cell of a thumbnail's chroma grid. */
  async #distribute({data, height, width}) {
    const {bins, multiple, stride} = this.#network.settings;
    const [rows, columns] = [height, width].map((side) => Math.ceil(side / multiple) * multiple);
    const luma = new Float32Array(rows * columns);  // Padded by mirroring to a size that the network accepts.
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++) luma[y * columns + x] = data[mirror(y, height) * width + mirror(x, width)] / 255;
    const logits = await this.#network.run(luma, rows, columns);

    const result = plane(height / stride, width / stride, bins.length);
    for (let y = 0; y < result.height; y++) {
      for (let x = 0; x < result.width; x++) {
        const start = ((y * columns) / stride + x) * bins.length;
        result.data.set(softmax(logits.subarray(start, start + bins.length)), (y * result.width + x) * bins.length);
      }
    }
    return result;
  }
}

/** Resize luma to the thumbnail that the network sees, at most about `detail` long; small images are enlarged. */
function shrink(luma, detail, {stride, enlargement, sharpening}) {
  const longest = Math.max(luma.height, luma.width);
  const scale = Math.min(enlargement, detail / longest);
  const [height, width] = [luma.height, luma.width].map((side) => stride * Math.max(1, round((side * scale) / stride)));
  if (height === luma.height && width === luma.width) return luma;
  if (longest <= detail) return toBytes((enlargement > 1 ? resizeCubic : resizeLinear)(luma, height, width));
  if (!sharpening) return shrinkBytes(luma, height, width);
  const twice = shrinkBytes(luma, Math.min(2 * height, luma.height), Math.min(2 * width, luma.width));
  const small = toBytes(resizeCubic(twice, height, width));
  const {data: blurred} = toBytes(mean(small, [1, 1]));
  return toBytes(plane(height, width, 1, small.data.map((v, i) => v + sharpening * (v - blurred[i]))));
}

function softmax(logits) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}
