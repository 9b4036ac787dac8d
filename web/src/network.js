// The U-Net under LiteRT, at any size.

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

/** Fetch the runtime and the network. */
export async function loadNetwork() {
  const [file, settings] = await Promise.all([fetchFile('model.tflite'), fetchFile('model.json'), loadLiteRt('wasm/')]);
  return new Network(await file.arrayBuffer(), await settings.json());
}

async function fetchFile(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} could not be fetched (${response.status})`);
  return response;
}

class Network {
  #file;
  #compiled = new Map();  // By the last two shapes: those of a thumbnail and of its mirror image.

  constructor(file, settings) {
    this.#file = file;
    this.settings = settings;
  }

  /** Run it on luma (height, width) in [0, 1], without hints: logits (height / stride, width / stride, bins). */
  async run(luma, height, width) {
    const {stride, bins: {length: bins}} = this.settings;
    const grid = [1, height / stride, width / stride];
    const shapes = {1: [1, height, width, 1], 3: [...grid, 3], [bins]: [...grid, bins]};
    const compiled = await this.#compile(String(grid), shapes);
    const hints = new Float32Array((3 * luma.length) / stride ** 2);
    const inputs = {luma: new Tensor(luma, shapes[1]), hints: new Tensor(hints, shapes[3])};
    // Unused weights of sums: the page needs the whole distribution.
    inputs.weights = new Tensor(new Float32Array(3 * bins), [1, 1, 3, bins]);
    const outputs = await compiled.run(inputs);
    const logits = Float32Array.from(await outputs.chroma.data());
    for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    return logits;
  }

  async #compile(shape, shapes) {
    if (!this.#compiled.has(shape)) {
      if (this.#compiled.size === 2) {
        const [[oldest, unused]] = this.#compiled;
        unused.delete();
        this.#compiled.delete(oldest);
      }
      // LiteRT in the browser can't resize the inputs of a network, so the sizes are written into the file.
      const file = withShapes(this.#file, shapes);
      this.#compiled.set(shape, await loadAndCompile(file, {accelerator: 'wasm'}));
    }
    return this.#compiled.get(shape);
  }
}

/**
 * Copy a .tflite file with the shapes of its inputs and outputs fixed, given by their number of channels.
 *
 * The file is a FlatBuffer: tables that know the offsets of their fields by number, here those of schema.fbs in
 * LiteRT: Model.subgraphs is field 2; SubGraph has tensors, inputs and outputs as fields 0 to 2; Tensor has shape as
 * field 0 and, where sizes are open, shape_signature as field 7. Sizes within the network follow from its inputs'.
 */
function withShapes(file, shapes) {
  const bytes = new Uint8Array(file.slice(0));
  const view = new DataView(bytes.buffer);
  const follow = (at) => at + view.getUint32(at, true);
  const find = (table, number) => {
    const fields = table - view.getInt32(table, true);
    const offset = 4 + 2 * number < view.getUint16(fields, true) ? view.getUint16(fields + 4 + 2 * number, true) : 0;
    return offset && follow(table + offset);
  };
  const field = (table, number) => {
    const found = find(table, number);
    if (!found) throw new Error('model.tflite is not built as expected');
    return found;
  };
  const graph = follow(field(follow(0), 2) + 4);
  const tensors = field(graph, 0) + 4;
  for (const ends of [field(graph, 1), field(graph, 2)]) {
    for (let i = 1; i <= view.getUint32(ends, true); i++) {
      const tensor = follow(tensors + 4 * view.getInt32(ends + 4 * i, true));
      if (!find(tensor, 7)) continue;  // Its size is fixed.
      for (const sizes of [field(tensor, 0), field(tensor, 7)]) {
        const shape = shapes[view.getInt32(sizes + 16, true)];  // The length is followed by four sizes, channels last.
        shape.forEach((size, axis) => view.setInt32(sizes + 4 + 4 * axis, size, true));
      }
    }
  }
  return bytes;
}
