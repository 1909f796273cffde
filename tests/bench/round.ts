// One round: every work once at saturation and once at half of it, each floor next to what is held against it.

import type { Client, Outcome, Step, Table, Work } from './client.ts';
import { makeEvent, OPEN, people, SHUT } from './sale.ts';
import type { Server } from './server.ts';
import * as steps from './steps.ts';
import { settled } from './usage.ts';

/** How long things take. */
export interface Pace {
  warmup_ms: number;
  measure_ms: number;
}

export interface Contenders {
  hello: Server;
  object: Server;
  plain: Server;
  ours: Server;
}

/** At saturation: people who wait for nothing but the answer. With 64, all of them wait for the disk a fifth of the time. */
export const PEOPLE = 128;
/** Of those so many may be told to come back: where answers take long for a moment, that is what the Worker does with newcomers. */
const SHED_MAX = 0.01;
/** Connections in an open plan, in which those who wait do not keep others from coming. */
const CONNECTIONS = 512;
const SEATS = 100_000;
/** Places that are made ready to enter, as a multiple of what is joined meanwhile: one measurement takes up to three times as
 * many as joins are served, the other half as many. */
const PLACES_A_JOIN = 4;
/** Confirmations a second that are counted on at least, and before any were measured. */
const CONFIRMS_PER_S = 300;
/** Reservations that are made ready for confirming, as a multiple of what is confirmed meanwhile: one and a half, and a reserve. */
const INTENTS_A_CONFIRM = 1.75;
/** Where an answer takes long, everybody's first ones come late, and at the same time: measuring begins when they are through. */
const SLOW = { warmup: 3, measure: 1.5 };

/** What a round found, by work: `hello`, `object`, `plain_join`, `plain_hold`; ours by name, and `<name>_half`, also of the
 * floors: `hello` at the rate of `status_half`, `object` at that of `join_half`. */
export type Round = Record<string, Outcome>;

export class Bench {
  readonly #client: Client;
  readonly #servers: Contenders;
  readonly #pace: Pace;
  readonly #slow: Pace;
  #confirms_per_s = CONFIRMS_PER_S;

  constructor(client: Client, servers: Contenders, pace: Pace) {
    [this.#client, this.#servers, this.#pace] = [client, servers, pace];
    this.#slow = { warmup_ms: SLOW.warmup * pace.warmup_ms, measure_ms: SLOW.measure * pace.measure_ms };
  }

  /** Carries a work out. Of the answers so many may be 503; any other unexpected one is an error. */
  async #run(server: Server, work: Work, shed_max: number): Promise<Outcome> {
    const outcome = await this.#client.run(server, work, true);
    const { 503: shed = 0, ...wrong } = outcome.unexpected;
    if (Object.keys(wrong).length > 0 || shed > shed_max * outcome.completed) {
      throw new Error(`${server.name}: unexpected answers ${JSON.stringify(outcome.unexpected)} beside ${outcome.completed}; the first: ${outcome.complaint}`);
    }
    return outcome;
  }

  /** As much as there is to serve. */
  async #most(server: Server, steps: Step[], more: Partial<Work> = {}): Promise<Outcome> {
    await settled(this.#servers.ours);
    const arrivals = { closed: { people: PEOPLE } };
    return this.#run(server, { steps, arrivals, connections: PEOPLE, ...this.#pace, ...more }, SHED_MAX);
  }

  /** Half as many people a second as were served at most, on a schedule. */
  async #half(server: Server, steps: Step[], people_per_s: number, more: Partial<Work> = {}): Promise<Outcome> {
    await settled(this.#servers.ours);
    const arrivals = { open: { per_s: Math.max(1, people_per_s / 2) } };
    return this.#run(server, { steps, arrivals, connections: CONNECTIONS, ...this.#pace, ...more }, SHED_MAX);
  }

  /** Carries steps out for the lines of a table, without measuring. Whoever is told to come back is left out. */
  async #prepare(steps: Step[], rows: Table, out: string, keep: string[]): Promise<Table> {
    const path = this.#client.path(out);
    const arrivals = { closed: { people: PEOPLE } };
    const slow = { warmup_ms: 0, measure_ms: 120_000 };
    await this.#run(this.#servers.ours, { steps, arrivals, connections: PEOPLE, ...slow, rows, out: path, keep }, Infinity);
    return { path };
  }

  async round(number: number): Promise<Round> {
    const shut = `evt_shut_${number}`;
    const open = `evt_open_${number}`;
    await makeEvent(this.#servers.ours, shut, SEATS, SHUT);
    await makeEvent(this.#servers.ours, open, SEATS, OPEN);
    const waiting = await this.#waiting(shut);
    return { ...waiting, ...(await this.#shopping(open, waiting.join?.per_s ?? 0)), ...(await this.#whole(open)) };
  }

  /** Status and join, on an event that lets nobody in. */
  async #waiting(event: string): Promise<Round> {
    const { hello, object, plain, ours } = this.#servers;
    const rows = await this.#prepare([steps.join(event)], people(this.#client, 'first.tsv', 2000), 'waiting.tsv', ['waiting_token']);
    const many = { rows, cycle: true };
    const found: Round = {};
    found.hello = await this.#most(hello, [steps.ping], many);
    found.status = await this.#most(ours, [steps.status], many);
    found.hello_half = await this.#half(hello, [steps.ping], found.status.per_s, many);
    found.status_half = await this.#half(ours, [steps.status], found.status.per_s, many);
    const asking = { ...steps.join(event), expect: 200 };
    found.object = await this.#most(object, [asking]);
    found.join = await this.#most(ours, [steps.join(event)]);
    found.plain_join = await this.#most(plain, [steps.plainJoin(event)]);
    found.object_half = await this.#half(object, [asking], found.join.per_s);
    found.join_half = await this.#half(ours, [steps.join(event)], found.join.per_s);
    return found;
  }

  /** Enter, hold and confirm, each on what the one before has left. */
  async #shopping(event: string, joins_per_s: number): Promise<Round> {
    const { plain, ours } = this.#servers;
    const seconds = (this.#pace.warmup_ms + this.#pace.measure_ms) / 1000;
    const found: Round = {};
    const everybody = people(this.#client, 'people.tsv', Math.round(PLACES_A_JOIN * joins_per_s * seconds));
    let rows = await this.#prepare([steps.join(event)], everybody, 'places.tsv', ['jwt', 'seat', 'waiting_token']);
    const [first, second] = ['a', 'b'].map((part) => this.#client.path(`part-${part}.tsv`)) as [string, string];

    let keep = ['jwt', 'seat', 'reservation_token'];
    found.enter = await this.#most(ours, [steps.enter], { rows, out: first, keep });
    rows = { ...rows, skip: found.enter.taken };
    found.enter_half = await this.#half(ours, [steps.enter], found.enter.per_s, { rows, out: second, keep });
    rows = this.#client.join('entered.tsv', [{ path: first }, { path: second }]);

    keep = ['jwt', 'reservation_id'];
    found.hold = await this.#most(ours, [steps.hold(event)], { rows, out: first, keep });
    found.plain_hold = await this.#most(plain, [steps.plainHold(event)], { rows });
    rows = { ...rows, skip: found.hold.taken };
    found.hold_half = await this.#half(ours, [steps.hold(event)], found.hold.per_s, { rows, out: second, keep });
    rows = this.#client.join('held.tsv', [{ path: first }, { path: second }]);

    const slow_s = (this.#slow.warmup_ms + this.#slow.measure_ms) / 1000;
    rows = this.#client.first('some.tsv', rows, Math.round(INTENTS_A_CONFIRM * this.#confirms_per_s * slow_s));
    rows = await this.#prepare([steps.intent], rows, 'intents.tsv', ['jwt', 'payment_intent_id']);
    found.confirm = await this.#most(ours, [steps.pay], { rows, ...this.#slow });
    rows = { ...rows, skip: found.confirm.taken };
    found.confirm_half = await this.#half(ours, [steps.pay], found.confirm.per_s, { rows, ...this.#slow });
    this.#confirms_per_s = Math.max(CONFIRMS_PER_S, found.confirm.per_s);
    return found;
  }

  /** The whole funnel. */
  async #whole(event: string): Promise<Round> {
    const { ours } = this.#servers;
    const rows = people(this.#client, 'buyers.tsv', 10_000, SEATS - 10_000);
    const found: Round = {};
    found.funnel = await this.#most(ours, steps.funnel(event), { rows, ...this.#slow });
    const rest = { ...rows, skip: found.funnel.taken };
    found.funnel_half = await this.#half(ours, steps.funnel(event), found.funnel.people / found.funnel.seconds, { rows: rest, ...this.#slow });
    return found;
  }
}
