// What the shapes on the map mean.

import type { JSX } from 'preact';
import { t, type Pair } from '../../app/lang.ts';

const MARKS: [Pair, JSX.Element][] = [
  [['선택 가능', 'Available'], <rect x="3" y="3" width="12" height="12" rx="3" fill="var(--action)" />],
  [['선택함', 'Chosen'], <><rect x="2" y="2" width="14" height="14" rx="4" fill="none" stroke="currentColor" stroke-width="2" /><path d="M5.5 9l2.5 3 4.5-6" fill="none" stroke="currentColor" stroke-width="2" /></>],
  [['결제 중 (곧 풀릴 수 있어요)', 'Being paid (may return)'], <path d="M3 3h12v12H3zM3 15L15 3" fill="none" stroke="var(--line)" stroke-width="1.4" />],
  [['판매 완료', 'Not available'], <circle cx="9" cy="9" r="3" fill="var(--line)" opacity=".6" />],
];

export function Legend({ contrast, setContrast }: { contrast: boolean; setContrast: (on: boolean) => void }) {
  return (
    <div class="legend">
      {MARKS.map(([words, mark]) => <span key={words[0]}><svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">{mark}</svg>{t(words)}</span>)}
      <label><input type="checkbox" checked={contrast} onChange={(event) => setContrast(event.currentTarget.checked)} />{t(['고대비', 'High contrast'])}</label>
    </div>
  );
}
