// What the payment simulator shall do. There is no real money here.

import { t, type Pair } from '../../app/lang.ts';
import type { Scenario as Name } from '../../session/state.ts';

export interface Scenario {
  name: Name;
  delayMs?: number;
}

const NAMES: [Name, Pair][] = [
  ['approve', ['승인', 'Approve']],
  ['fail', ['실패', 'Fail']],
  ['delay', ['늦은 승인', 'Approve late']],
  ['random', ['무작위', 'At random']],
  ['timeout', ['응답 없음', 'Never answer']],
];

export function Simulator({ scenario, set }: { scenario: Scenario; set: (scenario: Scenario) => void }) {
  return (
    <details class="simulator">
      <summary>{t(['시뮬레이션 – 실제 결제는 없어요', 'Simulation – no real payment'])}</summary>
      <label>{t(['결제 결과', 'Outcome'])}
        <select value={scenario.name} onChange={(event) => set({ ...scenario, name: event.currentTarget.value as Name })}>
          {NAMES.map(([name, words]) => <option key={name} value={name}>{t(words)}</option>)}
        </select>
      </label>
      {scenario.name === 'delay' && (
        <label>{t(['지연 (초)', 'Delay (s)'])}
          <input type="number" min="0" max="3600" value={(scenario.delayMs ?? 5000) / 1000} onInput={(event) => set({ ...scenario, delayMs: Math.round(Number(event.currentTarget.value) * 1000) })} />
        </label>
      )}
    </details>
  );
}
