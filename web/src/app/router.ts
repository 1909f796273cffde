// Paths, and what is shown for each.

import { signal } from '@preact/signals';

export type Route =
  | { name: 'home' }
  | { name: 'event' | 'wait' | 'seats'; event: string }
  | { name: 'pay'; reservation: string }
  | { name: 'orders' }
  | { name: 'order'; order: string }
  | { name: 'login' | 'register' }
  | { name: 'console'; rest: string[] }
  | { name: 'nowhere' };

/** The route of a path. */
export function routeOf(path: string): Route {
  const [first = '', second, third, ...more] = path.split('/').slice(1).map(decode);
  const deep = third !== undefined && third !== '';
  if (first === '') return { name: 'home' };
  if (first === 'console') return { name: 'console', rest: [second, third, ...more].filter((part): part is string => !!part) };
  if (more.length) return { name: 'nowhere' };
  if (first === 'e' && second && !deep) return { name: 'event', event: second };
  if (first === 'e' && second && (third === 'wait' || third === 'seats')) return { name: third, event: second };
  if (deep) return { name: 'nowhere' };
  if (first === 'pay' && second) return { name: 'pay', reservation: second };
  if (first === 'orders') return second ? { name: 'order', order: second } : { name: 'orders' };
  if ((first === 'login' || first === 'register') && !second) return { name: first };
  return { name: 'nowhere' };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const path = signal(location.pathname);

/** Shows another path. Phases of a sale replace one another, so that "back" never repeats one. */
export function go(to: string, replace = false): void {
  if (to === location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState']({}, '', to);
  path.value = location.pathname;
  scrollTo(0, 0);
}

addEventListener('popstate', () => (path.value = location.pathname));

/** Links inside the page are followed without loading it again. */
addEventListener('click', (event) => {
  const link = (event.target as Element).closest?.('a');
  const plain = !event.defaultPrevented && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (!plain || !link || link.target || link.origin !== location.origin || link.hasAttribute('download') || link.dataset.load !== undefined) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
