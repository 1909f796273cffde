// Controls that are more than a button.

import { t } from './lang.ts';
import '../styles/controls.css';

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
