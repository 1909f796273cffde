// An event as it is being written: text fields as they stand, and the body they make.

import type { ManagedEvent, NewEvent, NewSection, Text } from '../../api/contract.ts';

export interface SectionDraft {
  id: string;
  ko: string;
  en: string;
  kind: 'seated' | 'general';
  price: string;
  capacity: string;
  /** By formula: so many rows, the first with so many seats, each next one with so many more. */
  rows: string;
  first: string;
  growth: string;
  /** Rows that no formula made; kept as they are while untouched. */
  exact?: NewSection['rows'];
  layout?: NewSection['layout'];
}

export interface Draft {
  id: string;
  nameKo: string;
  nameEn: string;
  venueKo: string;
  venueEn: string;
  starts: string;
  opens: string;
  closes: string;
  hold: string;
  perReservation: string;
  perUser: string;
  admit: string;
  burst: string;
  active: string;
  window: string;
  stay: string;
  lanes: string;
  sections: SectionDraft[];
}

export const SEATS_MAX = 200_000;

export const newSection = (at: number): SectionDraft => ({
  id: String.fromCharCode(65 + (at % 26)), ko: '', en: '', kind: 'seated', price: '50000', capacity: '500', rows: '10', first: '20', growth: '0',
});

export const newDraft = (): Draft => ({
  id: '', nameKo: '', nameEn: '', venueKo: '', venueEn: '', starts: '', opens: '', closes: '', hold: '60', perReservation: '10', perUser: '10',
  admit: '50', burst: '100', active: '2000', window: '90', stay: '180', lanes: '1', sections: [newSection(0)],
});

const both = (text: Text): { ko: string; en: string } => (typeof text === 'string' ? { ko: text, en: text } : text);

/** Korea's time as a date field shows it. */
export const toField = (at: string | null | undefined): string => (at ? new Date(Date.parse(at) + 9 * 3_600_000).toISOString().slice(0, 16) : '');
export const fromField = (text: string): string | undefined => (text ? new Date(`${text}:00+09:00`).toISOString() : undefined);

export function draftOf(event: ManagedEvent): Draft {
  const [name, venue, { queue }] = [both(event.name), both(event.venue), event];
  return {
    id: event.event_id, nameKo: name.ko, nameEn: name.en, venueKo: venue.ko, venueEn: venue.en,
    starts: toField(event.starts_at), opens: toField(event.sale_opens_at), closes: toField(event.sale_closes_at),
    hold: String(event.hold_ttl_sec), perReservation: String(event.max_seats_per_reservation), perUser: String(event.max_seats_per_user),
    admit: String(queue.admit_per_sec), burst: String(queue.burst), active: String(queue.max_active), window: String(queue.entry_window_sec),
    stay: String(queue.admission_ttl_sec), lanes: String(queue.lanes),
    sections: event.sections.map((section) => {
      const words = both(section.name);
      const rows = section.kind === 'seated' && 'rows' in section ? section.rows : undefined;
      return {
        id: section.id, ko: words.ko, en: words.en, kind: section.kind, price: String(section.price),
        capacity: 'capacity' in section ? String(section.capacity) : '', rows: String(rows?.length ?? 1), first: String(rows?.[0]?.count ?? 1), growth: '0',
        ...(rows && { exact: rows }), ...(section.layout && { layout: section.layout }),
      };
    }),
  };
}

const whole = (text: string): number => Math.max(0, Math.floor(Number(text) || 0));

function rowsOf(section: SectionDraft): NonNullable<NewSection['rows']> {
  if (section.exact) return section.exact;
  return Array.from({ length: Math.min(whole(section.rows), SEATS_MAX) }, (_, at) => ({ id: String(at + 1), count: Math.max(1, Math.round(whole(section.first) + at * Number(section.growth || 0))) }));
}

export function bodyOf(draft: Draft): NewEvent {
  return {
    name: { ko: draft.nameKo.trim(), en: draft.nameEn.trim() || draft.nameKo.trim() },
    venue: { ko: draft.venueKo.trim(), en: draft.venueEn.trim() || draft.venueKo.trim() },
    ...(draft.starts && { starts_at: fromField(draft.starts) }), ...(draft.opens && { sale_opens_at: fromField(draft.opens) }), ...(draft.closes && { sale_closes_at: fromField(draft.closes) }),
    hold_ttl_sec: whole(draft.hold), max_seats_per_reservation: whole(draft.perReservation), max_seats_per_user: whole(draft.perUser),
    queue: { admit_per_sec: whole(draft.admit), burst: whole(draft.burst), max_active: whole(draft.active), entry_window_sec: whole(draft.window), admission_ttl_sec: whole(draft.stay), lanes: whole(draft.lanes) },
    sections: draft.sections.map((section) => ({
      id: section.id.trim(), price: whole(section.price), kind: section.kind,
      ...(section.ko.trim() && { name: { ko: section.ko.trim(), en: section.en.trim() || section.ko.trim() } }),
      ...(section.kind === 'general' ? { capacity: whole(section.capacity) } : { rows: rowsOf(section) }),
      ...(section.layout && { layout: section.layout }),
    })),
  };
}

export const seatsOf = (body: NewEvent): number =>
  body.sections.reduce((all, { rows, capacity }) => all + (rows ? rows.reduce((sum, { count }) => sum + count, 0) : (capacity ?? 0)), 0);
