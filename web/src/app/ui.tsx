// Small parts that every screen is made of.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** The heading of a screen; it takes the focus when the screen comes. */
export function Heading({ children, class: name }: { children: ComponentChildren; class?: string }) {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (document.documentElement.dataset.moved) ref.current?.focus({ preventScroll: true });
    document.documentElement.dataset.moved = '1';
  }, []);
  return <h1 ref={ref} tabIndex={-1} class={name}>{children}</h1>;
}

/** Grey bars of the final size, for what takes longer than a blink. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  const shown = useLater(300);
  return <div class="skeleton" aria-busy="true">{shown && Array.from({ length: lines }, (_, line) => <div key={line} />)}</div>;
}

/** True once some time has passed. */
export function useLater(ms: number): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return late;
}
