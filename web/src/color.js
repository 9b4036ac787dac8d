// Luma, and the join of luma with small chroma: colorizer/imaging/upsampling.py in JavaScript, where each step is explained.

import {mean, plane, resizeCubic, resizeLinear, round, shrinkByArea, shrinkBytes} from './planes.js';

const GUIDED_SIDE = 256;
const CORRECTIONS = 3;
const [KR, KG, KB] = [0.299, 0.587, 0.114];
// R, G and B minus luma, in levels of 255, from Cb and Cr.
const RED = 255 * 2 * (1 - KR);
const GREEN = [(-255 * 2 * KB * (1 - KB)) / KG, (-255 * 2 * KR * (1 - KR)) / KG];
const BLUE = 255 * 2 * (1 - KB);

/** Luma of RGBA pixels (Uint8ClampedArray), in OpenCV's integer arithmetic: Uint8Array. */
export function toLuma(rgba) {
  const luma = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < luma.length; i++)
    luma[i] = (9798 * rgba[4 * i] + 19235 * rgba[4 * i + 1] + 3735 * rgba[4 * i + 2] + 16384) >> 15;
  return luma;
}

/** Join luma with chroma of another size, guided by the luma's edges; returns RGBA with the alpha of the given pixels. */
export function joinUpsampled(luma, chroma, rgba) {
  const {height, width} = luma;
  if (chroma.height > height || chroma.width > width)
    chroma = shrinkByArea(chroma, Math.min(chroma.height, height), Math.min(chroma.width, width));
  const scale = Math.min(1, GUIDED_SIDE / Math.max(height, width));
  const sides = [Math.max(round(height * scale), chroma.height), Math.max(round(width * scale), chroma.width)];
  // At full size the slope is 0 and the offset is the chroma, so that one loop handles both cases.
  let fit = plane(...sides, 4);
  if (chroma.height === height && chroma.width === width) {
    interleave(fit, null, chroma);
  } else {
    const guide = shrinkBytes(luma, ...sides);
    for (let i = 0; i < guide.data.length; i++) guide.data[i] /= 255;
    chroma = upsampleGuided(chroma, guide);
    if (sides[0] === height && sides[1] === width) interleave(fit, null, chroma);
    else interleave(fit, ...fitLinear(chroma, guide, [1, 1], 1e-4));
  }
  return joinLinear(luma, fit, rgba);
}

function upsampleGuided(chroma, guide) {
  const radius = [round(guide.height / chroma.height), round(guide.width / chroma.width)];
  const [slope, offset] = fitLinear(resizeLinear(chroma, guide.height, guide.width), guide, radius, 1e-3);
  const [slopes, offsets] = [mean(slope, radius), mean(offset, radius)];
  const result = combine(slopes, offsets, (a, b, i) => a * guide.data[i >> 1] + b);
  for (let turn = 0; turn < CORRECTIONS; turn++) {
    const lost = combine(chroma, shrinkByArea(result, chroma.height, chroma.width), (a, b) => a - b);
    const given = resizeCubic(lost, guide.height, guide.width);
    for (let i = 0; i < given.data.length; i++) result.data[i] += given.data[i];
  }
  return result;
}

/** Fit chroma = slope * guide + offset in the window around each pixel. */
function fitLinear(chroma, guide, radius, regularization) {
  const center = mean(guide, radius);
  const squares = mean(combine(guide, guide, (a, b) => a * b), radius);
  const centers = mean(chroma, radius);
  const products = mean(combine(chroma, chroma, (c, _, i) => c * guide.data[i >> 1]), radius);
  const slope = combine(products, centers, (product, c, i) => {
    const at = center.data[i >> 1];
    return (product - at * c) / (squares.data[i >> 1] - at * at + regularization);
  });
  return [slope, combine(centers, slope, (c, s, i) => c - s * center.data[i >> 1])];
}

function combine(one, other, operation) {
  const result = plane(one.height, one.width, one.channels);
  for (let i = 0; i < result.data.length; i++) result.data[i] = operation(one.data[i], other.data[i], i);
  return result;
}

function interleave(fit, slope, offset) {
  for (let i = 0; i < fit.data.length / 4; i++) {
    for (let c = 0; c < 2; c++) {
      fit.data[4 * i + c] = slope ? slope.data[2 * i + c] : 0;
      fit.data[4 * i + 2 + c] = offset.data[2 * i + c];
    }
  }
}

/** Join luma with chroma computed from it with small slopes and offsets, row by row. */
function joinLinear(luma, fit, rgba) {
  const {height, width} = luma;
  const result = new Uint8ClampedArray(4 * height * width);  // It rounds halves to even, as OpenCV does.
  const wide = fit.width === width ? fit : resizeLinear(fit, fit.height, width);
  for (let y = 0; y < height; y++) {
    const row = Math.min(Math.max(((y + 0.5) * fit.height) / height - 0.5, 0), fit.height - 1);
    const above = 4 * width * Math.floor(row);
    const below = 4 * width * Math.min(Math.floor(row) + 1, fit.height - 1);
    const weight = row - Math.floor(row);
    for (let x = 0; x < width; x++) {
      const at = (i) => wide.data[above + 4 * x + i] * (1 - weight) + wide.data[below + 4 * x + i] * weight;
      const i = y * width + x;
      const level = luma.data[i];
      const cb = at(0) * (level / 255) + at(2);
      const cr = at(1) * (level / 255) + at(3);
      result[4 * i] = level + RED * cr;
      result[4 * i + 1] = level + GREEN[0] * cb + GREEN[1] * cr;
      result[4 * i + 2] = level + BLUE * cb;
      result[4 * i + 3] = rgba[4 * i + 3];
    }
  }
  return result;
}
