// Markdown tables, and figures as their cells.

import type { Measure } from './stats.ts';

/** Rows of cells under a head, as a Markdown table with even columns. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]): string => `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  return [line(head), `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`, ...rows.map(line)].join('\n');
}

/** Nothing was measured, or there is nothing to compare with. */
const NONE = '–';

/** A number alone. */
export const number = (value: number, digits = 0): string => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The median alone. */
export const middle = (value: Measure | undefined, digits = 0): string => (value === undefined ? NONE : number(value.median, digits));

/** The median, with the least and the greatest where they differ from it as printed. */
export function ranged(value: Measure | undefined, digits = 0): string {
  if (value === undefined) return NONE;
  const [median, least, greatest] = [value.median, value.least, value.greatest].map((each) => number(each, digits));
  return least === median && greatest === median ? median! : `${median} (${least}–${greatest})`;
}

/** How often each of some things was, or `none`. */
export function counted(counts: Record<string, number>): string {
  const texts = Object.entries(counts).map(([what, count]) => `${count} × ${what}`);
  return texts.length === 0 ? 'none' : texts.join(', ');
}
