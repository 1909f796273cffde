// Small parts that every screen is made of.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { lang, t } from './lang.ts';

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

/** A dialog over the screen, closed by Escape, its button or a press outside. */
export function Sheet({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog?.open) dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={ref} class="sheet" aria-labelledby="sheet-title" onCancel={(event) => (event.preventDefault(), onClose())}
      onClick={(event) => event.target === ref.current && onClose()}>
      <div class="sheet-in">
        <header class="spread">
          <h2 id="sheet-title">{title}</h2>
          <button type="button" class="quiet icon" aria-label={t(['닫기', 'Close'])} onClick={onClose}>✕</button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Asks before something that cannot be taken back. */
export function Ask({ title, text, yes, danger, onYes, onClose }: { title: string; text: string; yes: string; danger?: boolean; onYes: () => void; onClose: () => void }) {
  return (
    <Sheet title={title} onClose={onClose}>
      <p>{text}</p>
      <div class="actions">
        <button type="button" class="quiet" onClick={onClose}>{t(['그대로 두기', 'Keep it'])}</button>
        <button type="button" class={danger ? 'danger' : 'primary'} onClick={() => (onClose(), onYes())}>{yes}</button>
      </div>
    </Sheet>
  );
}

/** A switch with its words. */
export function Switch({ label, hint, on, set }: { label: string; hint?: string; on: boolean; set: (on: boolean) => void }) {
  return (
    <label class="switch">
      <span>{label}{hint && <small>{hint}</small>}</span>
      <input type="checkbox" role="switch" checked={on} onChange={(event) => set(event.currentTarget.checked)} />
    </label>
  );
}

/** A number with less and more. */
export function Stepper({ label, value, min = 1, max, set }: { label: string; value: number; min?: number; max: number; set: (value: number) => void }) {
  return (
    <div class="stepper" role="group" aria-label={label}>
      <button type="button" aria-label={t(['줄이기', 'Less'])} disabled={value <= min} onClick={() => set(value - 1)}>−</button>
      <output aria-live="polite">{t(['{n}매', '{n}'], { n: value })}</output>
      <button type="button" aria-label={t(['늘리기', 'More'])} disabled={value >= max} onClick={() => set(value + 1)}>+</button>
    </div>
  );
}

/** Text of the other language than the page's is marked as such. */
export const otherLang = (): { lang: string } => ({ lang: lang.value === 'ko' ? 'en' : 'ko' });
