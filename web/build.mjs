// Puts the page together in dist/, a folder that any web server can serve as it is: `npm ci && npm run build`.

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
// LiteRT takes the first where the browser has relaxed SIMD, else the second; other variants need what few hosts give.
for (const name of ['litert_wasm_internal', 'litert_wasm_compat_internal'])
  for (const ending of ['.js', '.wasm']) cpSync(new URL(name + ending, wasm), new URL(`wasm/${name}${ending}`, dist));

const config = JSON.parse(readFileSync(new URL('config.json', model)));
const network = readFileSync(new URL('model.tflite', model));
if (createHash('sha256').update(network).digest('hex') !== config.export.files['model.tflite'])
  throw new Error('checkpoints/unet/model.tflite is not what config.json records: colorizer export --model unet');
writeFileSync(new URL('model.tflite', dist), network);
const {bins, prior, vivid_exponent: vividExponent, vivid_noise: vividNoise = 0, vivid_gain: vividGain = 1} =
  config.output;
// How the network is fed; without these keys, as in colorizer/inference/preprocessing.py, as its first weights were.
const {multiple, stride = 2, working_size: workingSize = 128, enlargement = 1, sharpening = 0.4} = config.input;
const {mirrored_size: mirroredSize = Math.max(...(config.input.sizes ?? [64]))} = config.input;
const feed = {multiple, stride, workingSize, enlargement, sharpening, mirroredSize};
const settings = {bins, prior, vividExponent, vividNoise, vividGain, ...feed};
writeFileSync(new URL('model.json', dist), JSON.stringify(settings));

// The service worker keeps the files of one build together: its name changes with any of them.
const hash = createHash('sha256');
const names = readdirSync(dist, {recursive: true}).sort();
for (const name of names) if (statSync(new URL(name, dist)).isFile()) hash.update(readFileSync(new URL(name, dist)));
const worker = readFileSync(new URL('service-worker.js', page), 'utf8');
writeFileSync(new URL('service-worker.js', dist), worker.replace('BUILD', hash.digest('hex').slice(0, 16)));
