// Fingers, mouse and wheel on the map, as panning, zooming and tapping. Acting is on letting go.

export interface Gestures {
  pan: (dx: number, dy: number) => void;
  zoom: (x: number, y: number, factor: number) => void;
  tap: (x: number, y: number) => void;
  /** A pointer without a button is over this point. */
  hover: (x: number, y: number) => void;
  /** Something is being moved; or no longer. */
  moving: (on: boolean) => void;
}

const SLOP = 8;

/** Listens on an element; the answer stops it. */
export function listen(host: HTMLElement, { pan, zoom, tap, hover, moving }: Gestures): () => void {
  const fingers = new Map<number, { x: number; y: number }>();
  let travelled = 0;
  let spread = 0;
  let wheelEnd: ReturnType<typeof setTimeout> | undefined;

  const local = ({ clientX, clientY }: { clientX: number; clientY: number }): { x: number; y: number } => {
    const box = host.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  };
  const distance = (): number => {
    const [a, b] = [...fingers.values()];
    return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  };
  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || (event.target as Element).closest('button:not(.map-focus)')) return;
    fingers.set(event.pointerId, local(event));
    if (fingers.size === 1) travelled = 0;
    else travelled = Infinity;
    spread = distance();
    host.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent): void => {
    const before = fingers.get(event.pointerId);
    const at = local(event);
    if (!before) return void (event.pointerType === 'mouse' && hover(at.x, at.y));
    travelled += Math.hypot(at.x - before.x, at.y - before.y);
    fingers.set(event.pointerId, at);
    if (travelled < SLOP) return;
    moving(true);
    pan((at.x - before.x) / fingers.size, (at.y - before.y) / fingers.size);
    if (fingers.size === 2) {
      const next = distance();
      const [a, b] = [...fingers.values()];
      if (spread > 0 && a && b) zoom((a.x + b.x) / 2, (a.y + b.y) / 2, next / spread);
      spread = next;
    }
  };
  const up = (event: PointerEvent): void => {
    if (!fingers.delete(event.pointerId)) return;
    spread = distance();
    if (fingers.size) return;
    moving(false);
    const at = local(event);
    if (event.type === 'pointerup' && travelled < SLOP) tap(at.x, at.y);
  };
  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const at = local(event);
    moving(true);
    const lines = event.deltaMode === 1 ? 16 : 1;
    zoom(at.x, at.y, Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)));
    clearTimeout(wheelEnd);
    wheelEnd = setTimeout(() => moving(false), 140);
  };

  host.addEventListener('pointerdown', down);
  host.addEventListener('pointermove', move);
  host.addEventListener('pointerup', up);
  host.addEventListener('pointercancel', up);
  host.addEventListener('wheel', wheel, { passive: false });
  return () => {
    clearTimeout(wheelEnd);
    host.removeEventListener('pointerdown', down);
    host.removeEventListener('pointermove', move);
    host.removeEventListener('pointerup', up);
    host.removeEventListener('pointercancel', up);
    host.removeEventListener('wheel', wheel);
  };
}
