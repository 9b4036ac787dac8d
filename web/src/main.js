// The page: opens a photo, shows it in gray and in color, and saves the result.

import {Prediction} from './colorize.js';
import {loadNetwork} from './network.js';

const MAX_MEGAPIXELS = 40;  // Browsers give a page a few gigabytes; this many pixels take one.

const element = (id) => document.getElementById(id);
const tell = (text) => { element('status').textContent = text; };

let network = null;  // A promise, once there is a photo.
let prediction = null;
let name = '';
let turns = Promise.resolve();  // Photos are opened one after the other, so that the last one stays.

// The service worker caches whatever is fetched, so the first requests wait for it. Without one, as in some browsers'
// private windows or after a forced reload, the page still works online.
const kept = navigator.serviceWorker?.register('service-worker.js').then(({active}) =>
  navigator.serviceWorker.controller || active || Promise.race([
    new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, {once: true})),
    new Promise((resolve) => setTimeout(resolve, 10_000)),
  ])).catch(() => null);

function give(file) {
  turns = turns.then(() => open(file));
}

async function open(file) {
  element('problem').hidden = true;
  element('result').hidden = true;
  tell('Opening the photo…');
  try {
    const image = await decode(file);
    tell('Loading the network…');
    await kept;
    network ??= loadNetwork();
    const ready = await network.catch((error) => {
      network = null;  // The next photo tries again.
      throw new Error(`The network can't be loaded: ${error.message}`);
    });
    await say('Colorizing…');
    prediction = await Prediction.of(ready, image);
    name = file.name.replace(/\.[^.]*$/, '') || 'photo';
    show(element('before'), prediction.gray);
    paint();
    element('pictures').classList.toggle('small', Math.max(image.width, image.height) <= 128);
    element('result').hidden = false;
    tell('Done');
  } catch (error) {
    tell('');
    element('problem').textContent = error.message;
    element('problem').hidden = false;
  }
}

/** Decode a file to ImageData, the right way up. */
async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is not an image that this browser can read. Try a JPEG, PNG or WebP file.`);
  }
  const {width, height} = bitmap;
  const megapixels = Math.ceil((width * height) / 1e6);
  if (megapixels > MAX_MEGAPIXELS)
    throw new Error(`${file.name} has ${megapixels} megapixels; the limit is ${MAX_MEGAPIXELS}. Make it smaller first.`);
  const context = new OffscreenCanvas(width, height).getContext('2d', {willReadFrequently: true});
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

function paint() {
  const vividness = Number(element('vividness').value);
  element('level').textContent = vividness;
  show(element('after'), prediction.colorize(vividness));
}

function show(canvas, image) {
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext('2d', {willReadFrequently: true}).putImageData(image, 0, 0);
}

/** Show a message, and let the browser draw it before long work starts. */
async function say(text) {
  tell(text);
  await new Promise((resolve) => setTimeout(resolve, 20));
}

function download() {
  element('after').toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${name}-color.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }, 'image/png');
}

element('file').addEventListener('change', ({target}) => {
  if (target.files.length) give(target.files[0]);
  target.value = '';  // So that the same file can be chosen again.
});
let awaited = 0;
element('vividness').addEventListener('input', () => {
  cancelAnimationFrame(awaited);
  awaited = requestAnimationFrame(paint);  // Colorizing a large photo is slower than the slider's events.
});
element('split').addEventListener('input', ({target}) =>
  element('pictures').style.setProperty('--split', `${target.value}%`));
element('download').addEventListener('click', download);

const marked = {dragenter: true, dragover: true, dragleave: false, drop: false};
for (const [event, dropping] of Object.entries(marked)) {
  document.addEventListener(event, (drag) => {
    drag.preventDefault();
    document.body.classList.toggle('dropping', dropping);
    const [file] = (event === 'drop' && drag.dataTransfer.files) || [];
    if (file) give(file);
  });
}
