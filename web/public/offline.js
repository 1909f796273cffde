// Answers from what was kept when the network does not. The network always comes first.

const SHELL = 'shell-1';
const DATA = 'tickets-1';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('message', (event) => {
  const { keep = [], orders = [], token } = event.data ?? {};
  event.waitUntil(Promise.all([...keep.map((url) => store(SHELL, url)), ...orders.map((url) => store(DATA, url, token))]));
});

async function store(name, url, token) {
  try {
    const response = await fetch(url, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
    if (!response.ok) return;
    // Whole before it is kept: what is still arriving when the network goes would be taken away again.
    const body = await response.blob();
    const headers = new Headers(response.headers);
    for (const wire of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(wire);
    await (await caches.open(name)).put(new URL(url, self.location.origin).href, new Response(body, { headers }));
  } catch {
    // Kept the next time.
  }
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  const page = request.mode === 'navigate';
  const kept = page || url.pathname.startsWith('/assets/') || url.pathname === '/boot.js' || url.pathname === '/icon.svg' || /^\/api\/v1\/(orders|events)\/[^/]+$/.test(url.pathname);
  if (kept) event.respondWith(networkFirst(request, page ? '/' : url.href));
});

async function networkFirst(request, name) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await caches.match(new URL(name, self.location.origin).href);
    if (found) return found;
    throw error;
  }
}
