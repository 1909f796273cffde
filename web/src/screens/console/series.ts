// What was measured of a sale while this page looked: two hours of it, a value a second.

import type { Availability, QueueStats } from '../../api/contract.ts';

export interface Sample {
  /** Seconds since 1970. */
  at: number;
  waiting: number;
  ready: number;
  active: number;
  admitted: number;
  lapsed: number;
  left: number;
  rate: number;
  free: number;
  held: number;
  sold: number;
  blocked: number;
}

const KEPT = 7200;

export class Series {
  samples: Sample[] = [];

  add(stats: QueueStats, { sections }: Availability, at: number): Sample {
    const sum = (of: 'remain' | 'held' | 'sold' | 'blocked'): number => sections.reduce((all, section) => all + section[of], 0);
    const sample: Sample = {
      at, waiting: stats.waiting, ready: stats.ready, active: stats.active, admitted: stats.admitted_total, lapsed: stats.lapsed_total,
      left: stats.left_total, rate: stats.admission_rate, free: sum('remain'), held: sum('held'), sold: sum('sold'), blocked: sum('blocked'),
    };
    this.samples = [...this.samples.slice(1 - KEPT), sample];
    return sample;
  }

  /** How much a total rose in the last so many seconds. */
  rise(of: 'admitted' | 'lapsed' | 'left' | 'sold', seconds: number): number {
    const last = this.samples.at(-1);
    const first = last && this.samples.find(({ at }) => at >= last.at - seconds);
    return last && first ? last[of] - first[of] : 0;
  }
}
