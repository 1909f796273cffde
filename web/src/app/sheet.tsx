// Dialogs over the screen.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from './lang.ts';
import '../styles/controls.css';

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
