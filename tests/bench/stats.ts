// Statistics over the rounds of a measurement.

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of some rounds, with the least and the greatest of them. */
export interface Measure {
  median: number;
  least: number;
  greatest: number;
}

export const measure = (values: number[]): Measure => ({ median: median(values), least: Math.min(...values), greatest: Math.max(...values) });

/** What `figure` is over some rounds. */
export const over = <T>(rounds: T[], figure: (round: T, index: number) => number): Measure => measure(rounds.map(figure));
