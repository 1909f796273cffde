// Tickets open without a network once there is one to show. Before that nothing stands between the page and the server.

const SHELL = ['/', '/icon.svg', '/boot.js'];
const isAsset = (url: string): boolean => new URL(url).origin === location.origin && new URL(url).pathname.startsWith('/assets/');

let worker: Promise<ServiceWorker> | undefined;

/** The service worker, told of the page's files: those it has, and those that it fetches later. */
async function kept(): Promise<ServiceWorker> {
  await navigator.serviceWorker.register('/offline.js');
  const active = (await navigator.serviceWorker.ready).active!;
  const sheets = [...document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')].map(({ href }) => href);
  active.postMessage({ keep: [...SHELL, ...sheets] });
  new PerformanceObserver((list) => {
    const files = list.getEntries().map(({ name }) => name).filter(isAsset);
    if (files.length) active.postMessage({ keep: files });
  }).observe({ type: 'resource', buffered: true });
  return active;
}

export function keepOffline(event: string, order: string): void {
  if (!('serviceWorker' in navigator)) return;
  worker ??= kept();
  worker.then((active) => {
    const token = JSON.parse(localStorage.getItem('tt.auth') ?? '{}').token as string | undefined;
    active.postMessage({ orders: [`/api/v1/orders/${order}`, `/api/v1/events/${event}`], token });
  }).catch(() => (worker = undefined));
}
