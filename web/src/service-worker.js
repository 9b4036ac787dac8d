// Caches every file of the page once it is fetched, so that the page works offline and fetches nothing twice.

const CACHE = 'colorizer-BUILD';

self.addEventListener('install', (event) => {
  const shell = ['./', 'style.css', 'main.js', 'icon.svg', 'model.json'];
  // Bypass the browser's own cache, which may still have files of an earlier build.
  const files = shell.map((name) => new Request(name, {cache: 'reload'}));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys())
      if (name.startsWith('colorizer-') && name !== CACHE) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET' || new URL(event.request.url).origin !== self.location.origin) return;
  event.respondWith((async () => {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(event.request, {ignoreSearch: true});
    if (kept) return kept;
    const response = await fetch(event.request, {cache: 'no-cache'});
    // If the disk is full, the page still works online.
    if (response.status === 200) await cache.put(event.request, response.clone()).catch(() => null);
    return response;
  })());
});
