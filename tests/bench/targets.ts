// What has to be reached, and whether it is. The figures are those of the design's table of speeds.

import { number } from './table.ts';

/** A figure that must be at least, or at most, so much. */
export interface Target {
  /** What it is a figure of, behind the number: `by CPU`, `ms`. */
  unit: string;
  value: number;
  least?: number;
  most?: number;
  digits?: number;
}

/** Cells of a table: what must be reached; `yes`, or what is missed with its figure. */
export function judged(targets: Target[]): [mustReach: string, met: string] {
  const figure = (value: number, { unit, digits }: Target): string => `${number(value, digits)} ${unit}`;
  const asked = (target: Target): string => (target.least === undefined ? `≤ ${figure(target.most!, target)}` : `≥ ${figure(target.least, target)}`);
  const missed = targets.filter(({ value, least = -Infinity, most = Infinity }) => !(value >= least && value <= most));
  if (targets.length === 0) return ['', ''];
  return [targets.map(asked).join(', '), missed.length === 0 ? 'yes' : `no: ${missed.map((target) => figure(target.value, target)).join(', ')}`];
}
