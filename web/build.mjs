// Builds the page in dist/, a folder that any web server can serve as it is: `npm ci && npm run build`.

import {createHash} from 'node:crypto';
import {cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const page = new URL('src/', import.meta.url);
const dist = new URL('dist/', import.meta.url);
const model = new URL('../checkpoints/unet/', import.meta.url);
const wasm = new URL('node_modules/@litertjs/core/wasm/', import.meta.url);

rmSync(dist, {recursive: true, force: true});
mkdirSync(new URL('wasm/', dist), {recursive: true});
const [entry, outfile] = [page, dist].map((folder) => fileURLToPath(new URL('main.js', folder)));
await build({entryPoints: [entry], outfile, bundle: true, minify: true, format: 'esm'});
for (const name of ['index.html', 'style.css', 'icon.svg']) cpSync(new URL(name, page), new URL(name, dist));
// LiteRT uses the first if the browser has relaxed SIMD, else the second; the others need headers that few hosts send.
for (const name of ['litert_wasm_internal', 'litert_wasm_compat_internal'])
  for (const ending of ['.js', '.wasm']) cpSync(new URL(name + ending, wasm), new URL(`wasm/${name}${ending}`, dist));

const config = JSON.parse(readFileSync(new URL('config.json', model)));
const network = readFileSync(new URL('model.tflite', model));
if (createHash('sha256').update(network).digest('hex') !== config.export.files['model.tflite'])
  throw new Error('checkpoints/unet/model.tflite doesn\'t match config.json: run colorizer export --model unet');
writeFileSync(new URL('model.tflite', dist), network);
const {bins, prior, vivid_exponent: vividExponent, vivid_noise: vividNoise = 0, vivid_gain: vividGain = 1} =
  config.output;
// The network's preprocessing. Defaults, as in colorizer/inference/preprocessing.py, are those of the first weights.
const {multiple, stride = 2, working_size: workingSize = 128, enlargement = 1, sharpening = 0.4} = config.input;
const {mirrored_size: mirroredSize = Math.max(...(config.input.sizes ?? [64]))} = config.input;
const feed = {multiple, stride, workingSize, enlargement, sharpening, mirroredSize};
const settings = {bins, prior, vividExponent, vividNoise, vividGain, ...feed};
writeFileSync(new URL('model.json', dist), JSON.stringify(settings));

// The name of the service worker's cache changes with any file, so that it never mixes files of different builds.
const hash = createHash('sha256');
const names = readdirSync(dist, {recursive: true}).sort();
for (const name of names) if (statSync(new URL(name, dist)).isFile()) hash.update(readFileSync(new URL(name, dist)));
const worker = readFileSync(new URL('service-worker.js', page), 'utf8');
writeFileSync(new URL('service-worker.js', dist), worker.replace('BUILD', hash.digest('hex').slice(0, 16)));
