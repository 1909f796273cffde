// The frames of the two sockets.

import type { Notice, PlaceStatus, SaleStatus } from './contract.ts';

/** `/queue/live`: where a place stands. */
export interface PlaceFrame {
  type?: 'place';
  status: PlaceStatus;
  position: number;
  eta_sec: number;
  ready_for_entry: boolean;
  ready_expires_at?: string;
  remaining?: number;
  admitted_per_min?: number;
  notice?: Notice;
}

/** `/events/{id}/live`. */
export interface SnapshotFrame {
  type?: 'snapshot';
  epoch: string | number;
  seq: number;
  sections: { id: string; states: string }[];
}
export interface DeltaFrame {
  type: 'delta';
  seq: number;
  /** Section, seat, state: 0 available, 1 held, 2 sold, 3 blocked. */
  changes: [number, number, number][];
}
export interface SaleFrame {
  type: 'sale';
  status: SaleStatus;
  remaining: number;
  notice?: Notice;
}
