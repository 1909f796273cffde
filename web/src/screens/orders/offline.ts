// Tickets open without a network once there is one to show. Before that nothing stands between the page and the server.

export function keepOffline(event: string, order: string): void {
  navigator.serviceWorker?.register('/offline.js').then(async () => {
    const { active } = await navigator.serviceWorker.ready;
    const files = performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.includes('/assets/'));
    const loaded = [...document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')].map(({ href }) => href);
    const token = JSON.parse(localStorage.getItem('tt.auth') ?? '{}').token as string | undefined;
    active?.postMessage({ keep: [...files, ...loaded, '/', '/icon.svg', '/boot.js'], orders: [`/api/v1/orders/${order}`, `/api/v1/events/${event}`], token });
  }).catch(() => {});
}
