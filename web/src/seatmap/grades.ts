// A fill for every section. They differ in lightness and not by hue alone, so that colour blindness keeps them apart.

import type { Plan } from './plan.ts';

export interface Grade {
  fill: string;
  /** For figures on the fill. */
  figure: string;
}

const WHITE = '#ffffff';
const DARK = '#14171a';
const GRADES: Grade[] = [
  ['#9f44e4', WHITE], ['#741711', WHITE], ['#0d2259', WHITE], ['#117450', WHITE], ['#edb082', DARK],
  ['#4a1c30', WHITE], ['#2dabb4', DARK], ['#4e5a74', WHITE], ['#aaa518', DARK],
].map(([fill, figure]) => ({ fill: fill!, figure: figure! }));

/** Grades by section: the dearest first; with more than nine sections those of one price share theirs. */
export function gradesOf(plan: Plan): Grade[] {
  const prices = plan.sections.map(({ section }) => section.price);
  const levels = [...new Set(prices)].sort((a, b) => b - a);
  const byPrice = (price: number): Grade => GRADES[Math.min(levels.indexOf(price), GRADES.length - 1)]!;
  if (plan.sections.length > GRADES.length) return prices.map(byPrice);
  const order = plan.sections.map(({ index }) => index).sort((a, b) => prices[b]! - prices[a]! || a - b);
  return plan.sections.map(({ index }) => GRADES[order.indexOf(index)]!);
}
