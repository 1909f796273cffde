// What clients were told, and whether what is left in the end agrees with it. Pure: no clock, no network.

/** One try of a request: when it was sent and over, in milliseconds since 1970; without a status it was cut off. */
export interface Attempt {
  sent: number;
  ended?: number;
  status?: number;
}

/** A request with all its tries. Answered where one of them brought an answer below 500. */
export interface Entry {
  /** Who asked: a user id, or a name of their own where there is no JWT. */
  client: string;
  operation: string;
  key: string | null;
  args: Record<string, any>;
  attempts: Attempt[];
  answered?: number;
  status?: number;
  text?: string;
  replayed?: boolean;
}

export interface LedgerEntry {
  seq: number;
  at: string;
  type: string;
  reservation_id: string | null;
  seat_ids: string[];
}

/** The second answer to a request that was acknowledged before. */
export interface Replay {
  entry: Entry;
  status: number;
  text: string;
  replayed: boolean;
}

/** Everything that can be seen once all is quiet. Bodies by id; what could not be read back is not in them. */
export interface Evidence {
  entries: readonly Entry[];
  ledger: readonly LedgerEntry[];
  /** State of every seat, by its id: `0` available, `1` held, `2` sold, `3` blocked. */
  seats: ReadonlyMap<string, string>;
  reservations: ReadonlyMap<string, any>;
  orders: ReadonlyMap<string, any>;
  payments: ReadonlyMap<string, any>;
  /** Position of every place that still waits, by its waiting token. */
  line: ReadonlyMap<string, number>;
  replays: readonly Replay[];
}

export type Rule = 'present' | 'agrees' | 'explained' | 'ledger' | 'seats' | 'once' | 'order' | 'replay' | 'money' | 'ended';

export interface Finding {
  rule: Rule;
  about: string;
}

export const firstSent = (entry: Entry): number => entry.attempts[0]?.sent ?? Infinity;
export const lastSent = (entry: Entry): number => entry.attempts.at(-1)?.sent ?? Infinity;
export const granted = (entry: Entry): boolean => entry.status !== undefined && entry.status < 300;
export const bodyOf = (entry: Entry): any => JSON.parse(entry.text ?? 'null');

type Report = (rule: Rule, about: string) => void;

/** Everything that is wrong; nothing where the history is sound. */
export function findings(evidence: Evidence): Finding[] {
  const found: Finding[] = [];
  const report: Report = (rule, about) => found.push({ rule, about });
  for (const check of [present, agrees, explained, ledger, once, order, replays, money, ended]) check(evidence, report);
  return found;
}

const of = (evidence: Evidence, ...operations: string[]): Entry[] =>
  evidence.entries.filter((entry) => granted(entry) && operations.includes(entry.operation));

const unique = <T>(values: readonly T[]): boolean => new Set(values).size === values.length;

/** Acknowledged is present: what was granted can be read back, with everything that never changes as it was. */
function present(evidence: Evidence, report: Report): void {
  const { reservations, payments, orders, line } = evidence;
  for (const entry of of(evidence, 'hold')) {
    const first = bodyOf(entry);
    const last = reservations.get(first.reservation_id);
    if (!last) report('present', `reservation ${first.reservation_id} is lost`);
    for (const name of ['user_id', 'seat_ids', 'total_amount', 'hold_expires_at', 'created_at']) {
      if (last && JSON.stringify(last[name]) !== JSON.stringify(first[name])) report('present', `${first.reservation_id} has another ${name}`);
    }
  }
  for (const entry of of(evidence, 'intent')) {
    const { payment_intent_id: id, amount, reservation_id } = bodyOf(entry);
    const last = payments.get(id);
    if (!last) report('present', `payment ${id} is lost`);
    else if (last.amount !== amount || last.reservation_id !== reservation_id) report('present', `payment ${id} has other terms`);
  }
  for (const entry of of(evidence, 'confirm')) {
    const { order_id } = bodyOf(entry);
    if (!orders.has(order_id)) report('present', `order ${order_id} is lost`);
  }
  for (const { reservation_id, status, order_id } of reservations.values()) {
    if (!['CONFIRMED', 'REFUNDED'].includes(status)) continue;
    const about = orders.get(order_id);
    if (about?.status !== status) report('present', `order of ${reservation_id} is ${about?.status ?? 'lost'}, the reservation ${status}`);
  }
  const over = new Set(of(evidence, 'leave', 'enter').map((entry) => entry.args.waiting));
  for (const entry of of(evidence, 'join')) {
    const token = bodyOf(entry).waiting_token;
    if (entry.args.stays && !over.has(token) && !line.has(token)) report('present', `the place of ${entry.client} is lost`);
  }
}

/** What a granted request says of the reservation's end, by operation. */
const FINAL: Record<string, (entry: Entry) => string[] | undefined> = {
  cancel: () => ['CANCELLED'],
  confirm: () => ['CONFIRMED', 'REFUNDED'],
  refund: () => ['REFUNDED'],
  process: (entry) => ({ APPROVED: ['CONFIRMED', 'REFUNDED'], FAILED: ['CANCELLED', 'EXPIRED'] })[bodyOf(entry).status as string],
  cancelPayment: (entry) => (bodyOf(entry).status === 'REFUNDED' ? ['REFUNDED', 'EXPIRED', 'CANCELLED'] : undefined),
  read: (entry) => {
    const { status } = bodyOf(entry);
    return { CANCELLED: ['CANCELLED'], REFUNDED: ['REFUNDED'], CONFIRMED: ['CONFIRMED', 'REFUNDED'] }[status as string];
  },
};

/** Nothing acknowledged is taken back: every answer fits the end. */
function agrees(evidence: Evidence, report: Report): void {
  for (const entry of evidence.entries.filter(granted)) {
    const allowed = FINAL[entry.operation]?.(entry);
    const last = evidence.reservations.get(entry.args.reservation)?.status;
    const payment = evidence.payments.get(entry.args.intent)?.status;
    if (entry.operation === 'cancelPayment' && bodyOf(entry).status !== payment) {
      report('agrees', `${entry.args.intent} was told to be ${bodyOf(entry).status}, it is ${payment}`);
    }
    if (allowed && !allowed.includes(last)) report('agrees', `${entry.operation} of ${entry.args.reservation} was granted, it is ${last}`);
  }
}

/** What a request may bring about, whether or not it was answered. */
export function causes(entry: Entry): string[] {
  const { operation, args } = entry;
  const approves = args.scenario && !['fail', 'timeout'].includes(args.scenario);
  const declines = ['fail', 'random'].includes(args.scenario);
  const decided = ['process', 'webhook'].includes(operation);
  return [
    ...(operation === 'confirm' || (operation === 'intent' && approves) || (decided && args.action === 'approve') ? ['reservation.confirmed'] : []),
    ...(operation === 'cancel' || (operation === 'intent' && declines) || (decided && args.action === 'fail') ? ['reservation.cancelled'] : []),
    ...(operation === 'refund' || operation === 'cancelPayment' ? ['reservation.refunded'] : []),
  ];
}

/** Nothing happens that nobody asked for. */
function explained(evidence: Evidence, report: Report): void {
  const held = new Set(of(evidence, 'hold').map((entry) => bodyOf(entry).reservation_id));
  const asked = new Set(evidence.entries.flatMap((entry) => causes(entry).map((type) => `${type} ${entry.args.reservation}`)));
  const open = evidence.entries.filter((entry) => entry.operation === 'hold' && entry.status === undefined).length;
  const strangers = evidence.ledger.filter(({ type, reservation_id }) => type === 'reservation.created' && !held.has(reservation_id));
  if (strangers.length > open) report('explained', `${strangers.map((entry) => entry.reservation_id)} were held and nobody was told`);
  for (const { type, reservation_id } of evidence.ledger) {
    if (!['reservation.confirmed', 'reservation.cancelled', 'reservation.refunded'].includes(type)) continue;
    if (!asked.has(`${type} ${reservation_id}`)) report('explained', `${type} of ${reservation_id}, which nobody asked for`);
  }
}

/** From which states of a reservation an entry may come, and the status that it leaves. */
const MOVES: Record<string, { from: (string | undefined)[]; to: string }> = {
  'reservation.created': { from: [undefined], to: 'HOLD' },
  'reservation.confirmed': { from: ['HOLD', 'EXPIRED'], to: 'CONFIRMED' },
  'reservation.cancelled': { from: ['HOLD'], to: 'CANCELLED' },
  'reservation.expired': { from: ['HOLD'], to: 'EXPIRED' },
  'reservation.refunded': { from: ['CONFIRMED'], to: 'REFUNDED' },
};
const TAKEN: Record<string, string> = { HOLD: '1', CONFIRMED: '2' };

/** The ledger has no gap, makes only moves that exist, never gives a seat two owners, and ends in what is shown. */
function ledger(evidence: Evidence, report: Report): void {
  const status = new Map<string, string>();
  const owner = new Map<string, string>();
  const take = (seat: string, who: string, mine: string | undefined): void => {
    const has = owner.get(seat);
    if (has !== mine) report('ledger', `${seat} goes to ${who} while it is ${has ?? 'free'}`);
    owner.set(seat, who);
  };
  evidence.ledger.forEach(({ seq, type, reservation_id, seat_ids }, index) => {
    if (seq !== index + 1) report('ledger', `entry ${index + 1} has the number ${seq}`);
    const move = MOVES[type];
    if (!move || !reservation_id) {
      for (const seat of seat_ids) {
        if (type === 'seats.blocked') take(seat, 'blocked', undefined);
        else if (owner.get(seat) === 'blocked') owner.delete(seat);
        else report('ledger', `${seat} is unblocked and was not blocked`);
      }
      return;
    }
    const before = status.get(reservation_id);
    if (!move.from.includes(before)) report('ledger', `${reservation_id} goes from ${before ?? 'nothing'} to ${move.to}`);
    status.set(reservation_id, move.to);
    for (const seat of seat_ids) {
      if (TAKEN[move.to]) take(seat, reservation_id, before === 'HOLD' ? reservation_id : undefined);
      else if (owner.get(seat) === reservation_id) owner.delete(seat);
      else report('ledger', `${reservation_id} gives ${seat} back, which it has not`);
    }
  });
  for (const [seat, shown] of evidence.seats) {
    const who = owner.get(seat);
    const expected = who === undefined ? '0' : who === 'blocked' ? '3' : (TAKEN[status.get(who) ?? ''] ?? '0');
    if (shown !== expected) report('seats', `${seat} is shown as ${shown}, the ledger makes it ${expected}`);
  }
  for (const seat of owner.keys()) if (!evidence.seats.has(seat)) report('seats', `${seat} is in the ledger and not on the map`);
  for (const [id, reservation] of evidence.reservations) {
    if (status.get(id) !== reservation.status) report('ledger', `${id} is ${reservation.status}, the ledger makes it ${status.get(id)}`);
  }
}

/** One effect per request, one order per reservation, one place per caller. */
function once(evidence: Evidence, report: Report): void {
  const holds = of(evidence, 'hold').map((entry) => ({ of: `${entry.client} ${entry.key}`, id: bodyOf(entry).reservation_id as string }));
  const byKey = Map.groupBy(holds, (hold) => hold.of);
  for (const [key, made] of byKey) if (new Set(made.map(({ id }) => id)).size > 1) report('once', `two reservations for ${key}`);
  for (const [id, made] of Map.groupBy(holds, (hold) => hold.id)) {
    if (new Set(made.map((hold) => hold.of)).size > 1) report('once', `${id} was given to two requests`);
  }
  const orders = Map.groupBy(of(evidence, 'confirm'), (entry) => entry.args.reservation);
  for (const [id, made] of orders) {
    if (new Set(made.map((entry) => bodyOf(entry).order_id)).size > 1) report('once', `two orders for ${id}`);
  }
  if (!unique([...evidence.orders.values()].map((order) => order.reservation_id))) report('once', 'a reservation has two orders');
  const places = of(evidence, 'join').map((entry) => ({ caller: `${entry.args.event} ${entry.client}`, token: bodyOf(entry).waiting_token }));
  for (const [caller, had] of Map.groupBy(places, (place) => place.caller)) {
    if (new Set(had.map(({ token }) => token)).size > 1) report('once', `two places for ${caller}`);
  }
  for (const [, had] of Map.groupBy(places, (place) => place.token)) {
    if (new Set(had.map(({ caller }) => caller)).size > 1) report('once', 'one place for two callers');
  }
  for (const [, made] of Map.groupBy(of(evidence, 'enter'), (entry) => entry.args.waiting)) {
    const tokens = new Set(made.map((entry) => bodyOf(entry).reservation_token));
    if (tokens.size > 1) report('once', `two admissions of ${made[0]?.client}`);
  }
}

/** Positions are 1, 2, 3…, and whoever was told before another asked stands before them. */
function order({ entries, line }: Evidence, report: Report): void {
  const positions = [...line.values()].sort((a, b) => a - b);
  if (positions.some((position, index) => position !== index + 1)) report('order', `positions are ${positions}`);
  const joins = entries.filter((entry) => entry.operation === 'join' && granted(entry));
  const places = [...Map.groupBy(joins, (entry) => bodyOf(entry).waiting_token as string)].flatMap(([token, own]) => {
    const position = line.get(token);
    if (position === undefined) return [];
    const told = Math.min(...own.map((entry) => entry.answered ?? Infinity));
    return [{ client: own[0]?.client, position, asked: Math.min(...own.map(firstSent)), told }];
  });
  for (const early of places) {
    for (const late of places) {
      if (early.told < late.asked && early.position > late.position) {
        report('order', `${late.client} stands before ${early.client}, who had joined before`);
      }
    }
  }
}

/** The answer to a repetition is the first answer. */
function replays(evidence: Evidence, report: Report): void {
  for (const { entry, status, text, replayed } of evidence.replays) {
    const what = `${entry.operation} ${entry.key}`;
    if (status !== entry.status || text !== entry.text) report('replay', `${what}: ${status} ${text} after ${entry.status} ${entry.text}`);
    else if (!replayed) report('replay', `${what} is not marked as a repetition`);
  }
}

/** Money is never ahead of the seat, nor kept without it; and every payment is decided. */
function money(evidence: Evidence, report: Report): void {
  const intents = Map.groupBy(evidence.payments.values(), (payment: any) => payment.reservation_id as string);
  for (const payment of evidence.payments.values()) {
    if (!evidence.reservations.has(payment.reservation_id)) report('money', `${payment.payment_intent_id} pays for nothing`);
    if (['PENDING', 'AUTHORIZED'].includes(payment.status)) report('money', `${payment.payment_intent_id} is ${payment.status} for ever`);
  }
  for (const { reservation_id: id, status, total_amount } of evidence.reservations.values()) {
    const own = intents.get(id) ?? [];
    const captured = own.filter((payment: any) => payment.status === 'APPROVED');
    const wanted = status === 'CONFIRMED' ? 1 : 0;
    const all = own.map((payment: any) => `${payment.payment_intent_id} ${payment.status}`).join(', ') || 'none';
    if (captured.length !== wanted) report('money', `${id} is ${status} and was paid ${captured.length} times: ${all}`);
    if (captured.some((payment: any) => payment.amount !== total_amount)) report('money', `${id} was paid another amount`);
    // A refund that overtakes its capture must not look like a payment that nobody made.
    if (status === 'REFUNDED' && !own.some((payment: any) => payment.status === 'REFUNDED')) report('money', `${id} was refunded, its payments are: ${all}`);
  }
}

/** Every hold is over. */
function ended({ reservations, seats }: Evidence, report: Report): void {
  for (const { reservation_id, status } of reservations.values()) if (status === 'HOLD') report('ended', `${reservation_id} is held for ever`);
  for (const [seat, state] of seats) if (state === '1') report('ended', `${seat} is held for ever`);
}
