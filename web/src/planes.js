// Resize planes of numbers like OpenCV in colorizer/imaging/{color,upsampling}.py.
// A plane is {data, height, width, channels}; data are in rows, channels last.

/** Round to the nearest integer, halves to the even one, as Python and OpenCV do. */
export function round(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

export function plane(height, width, channels, data = new Float32Array(height * width * channels)) {
  return {data, height, width, channels};
}

/** Average over the area that each pixel of the result covers; for shrinking (INTER_AREA). */
export function shrinkByArea(source, height, width) {
  return resample(source, area(source.height, height), area(source.width, width));
}

/** The same for bytes: halved while the result stays large enough, which is fast, and rounded each time. */
export function shrinkBytes(source, height, width) {
  let bytes = source;
  while (bytes.height >= 8 * height && bytes.width >= 8 * width) bytes = halve(bytes);
  return toBytes(shrinkByArea(bytes, height, width));
}

/** Round a plane to whole numbers from 0 to 255, as OpenCV does when it resizes bytes. */
export function toBytes({height, width, channels, data}) {
  return plane(height, width, channels, Float32Array.from(data, (v) => Math.min(Math.max(round(v), 0), 255)));
}

function halve({data, width: stride, height: rows}) {
  const [height, width] = [rows >> 1, stride >> 1];
  const result = plane(height, width, 1, new Uint8Array(height * width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = 2 * y * stride + 2 * x;
      result.data[y * width + x] = (data[i] + data[i + 1] + data[i + stride] + data[i + stride + 1] + 2) >> 2;
    }
  }
  return result;
}

/** Interpolate between the two nearest pixels along each axis (INTER_LINEAR). */
export function resizeLinear(source, height, width) {
  return resample(source, taps(source.height, height, linear), taps(source.width, width, linear));
}

/** Interpolate between the four nearest pixels along each axis (INTER_CUBIC). */
export function resizeCubic(source, height, width) {
  return resample(source, taps(source.height, height, cubic), taps(source.width, width, cubic));
}

/** Average over a window of (2 r + 1) pixels along each axis, mirrored at the edges (boxFilter). */
export function mean(source, [vertical, horizontal]) {
  return resample(source, box(source.height, vertical), box(source.width, horizontal));
}

/** Mirror a plane, left to right. */
export function flip({data, height, width, channels}) {
  const result = plane(height, width, channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++)
        result.data[(y * width + x) * channels + c] = data[((y + 1) * width - 1 - x) * channels + c];
  return result;
}

// Each axis is resampled with a list: for each position in the result, the positions in the source and their weights.

function resample(source, rows, columns) {
  const {height, width, channels} = source;
  const wide = new Float64Array(height * columns.length * channels);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < columns.length; x++)
      for (const [from, weight] of columns[x])
        for (let c = 0; c < channels; c++)
          wide[(y * columns.length + x) * channels + c] += weight * source.data[(y * width + from) * channels + c];
  const result = plane(rows.length, columns.length, channels);
  const stride = columns.length * channels;
  const row = new Float64Array(stride);
  for (let y = 0; y < rows.length; y++) {
    row.fill(0);
    for (const [from, weight] of rows[y]) for (let i = 0; i < stride; i++) row[i] += weight * wide[from * stride + i];
    result.data.set(row, y * stride);
  }
  return result;
}

function area(from, to) {
  const scale = from / to;
  return Array.from({length: to}, (_, i) => {
    const [start, end] = [i * scale, Math.min((i + 1) * scale, from)];
    const covered = [];
    for (let at = Math.floor(start); at < end; at++) {
      const weight = (Math.min(end, at + 1) - Math.max(start, at)) / (end - start);
      if (weight > 1e-9) covered.push([at, weight]);
    }
    return covered;
  });
}

function taps(from, to, weights) {
  return Array.from({length: to}, (_, i) => {
    const center = ((i + 0.5) * from) / to - 0.5;  // Centers of pixels align.
    const left = Math.floor(center);
    return weights(center - left).map(([offset, weight]) => [clamp(left + offset, from), weight]);
  });
}

const linear = (t) => [[0, 1 - t], [1, t]];

function cubic(t) {
  const a = -0.75;
  const near = (d) => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [[-1, far(1 + t)], [0, near(t)], [1, near(1 - t)], [2, far(2 - t)]];
}

function box(size, radius) {
  return Array.from({length: size}, (_, i) =>
    Array.from({length: 2 * radius + 1}, (_, j) => [mirror(i + j - radius, size), 1 / (2 * radius + 1)]));
}

const clamp = (at, size) => Math.min(Math.max(at, 0), size - 1);

/** Map the index of a pixel outside the plane to its mirror image inside, reflecting as often as needed. */
export function mirror(at, size) {
  const place = ((at % (2 * size)) + 2 * size) % (2 * size);
  return place < size ? place : 2 * size - 1 - place;
}
