// How a sale stands, as a word with a shape.

import type { SaleStatus } from '../api/contract.ts';
import { t, type Pair } from '../app/lang.ts';

const CHIPS: Record<SaleStatus, { mark: string; text: Pair }> = {
  on_sale: { mark: '●', text: ['예매 중', 'On sale'] },
  scheduled: { mark: '◷', text: ['오픈 예정', 'Opening soon'] },
  paused: { mark: '‖', text: ['잠시 멈춤', 'Paused'] },
  sold_out: { mark: '✕', text: ['매진', 'Sold out'] },
  closed: { mark: '–', text: ['예매 종료', 'Ended'] },
};

export function Chip({ status }: { status: SaleStatus }) {
  return <span class={`chip ${status}`}><span aria-hidden="true">{CHIPS[status].mark}</span> {t(CHIPS[status].text)}</span>;
}
