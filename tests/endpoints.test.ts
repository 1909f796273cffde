// What becomes of envelopes where an organiser's endpoint is down, slow or gone, and what its organiser can do about it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { granted, refused } from './client.ts';
import { DELIVERED_MS, endpoint, feed, SECRET, upTo } from './endpoints.ts';
import { serve } from './harness.ts';
import { webhookSignature } from './tokens.ts';
import { until } from './until.ts';

const server = await serve();
const { admin } = server;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('an endpoint', { concurrency: 4 }, () => {
  test('that was down gets everything of every event in order, once it is there again', async () => {
    const hook = await endpoint(server);
    hook.receiver.respond = () => ({ status: 503 });
    const events = await Promise.all(upTo(3).map(() => server.event()));
    await Promise.all(events.map((event) => Promise.all(server.users(4).map((user) => user.holds(event)))));
    const down = await until('a backlog', DELIVERED_MS, async () => {
      const shown = await hook.shown();
      return shown.backlog >= 12 && shown.state === 'failing' && shown;
    });
    assert.equal(down.last_failure.reason, 'answered 503');
    assert.ok(down.last_success_at === null && Date.parse(down.next_try_at) > Date.parse(down.created_at));
    const seen = hook.receiver.received.length;
    hook.receiver.respond = () => ({ status: 200 });
    granted(await hook.post('enable'));
    const tells = (event: string) => hook.about(event).filter(({ request }) => hook.receiver.received.indexOf(request) >= seen);
    await until('all of it', DELIVERED_MS, () => events.every((event) => tells(event).length >= 4));
    for (const event of events) assert.deepEqual(tells(event).map(({ envelope }) => envelope.sequence), upTo(4), event);
    const well = await until('no backlog', DELIVERED_MS, async () => {
      const shown = await hook.shown();
      return shown.backlog === 0 && shown;
    });
    assert.equal(well.state, 'active');
    assert.ok(well.next_try_at === null && Date.parse(well.last_success_at) >= Date.parse(well.last_failure.at));
    granted(await admin.delete(`/admin/webhooks/${hook.id}`));
  });

  test('that is slow with one event is told of the others meanwhile', async () => {
    const hook = await endpoint(server);
    const [slow, ...others] = await Promise.all(upTo(4).map(() => server.event()));
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    hook.receiver.respond = async ({ body }) => {
      if (JSON.parse(body).event_id === slow) await released;
      return { status: 200 };
    };
    const all = [slow ?? '', ...others];
    await Promise.all(all.map((event) => Promise.all(server.users(3).map((user) => user.holds(event)))));
    await until('the others', DELIVERED_MS, () => others.every((event) => hook.sequences(event).length === 3));
    assert.deepEqual(hook.sequences(all[0] ?? ''), [1], 'one at a time of each event');
    release();
    await until('the slow one', DELIVERED_MS, () => hook.sequences(all[0] ?? '').length === 3);
    for (const event of all) assert.deepEqual(hook.sequences(event), upTo(3));
  });

  test('that answers 410 is sent nothing more, until it is enabled', async () => {
    const event = await server.event();
    const hook = await endpoint(server, { event_ids: [event] });
    hook.receiver.respond = () => ({ status: 410 });
    await server.user().holds(event);
    const gone = await until('disabled', DELIVERED_MS, async () => {
      const shown = await hook.shown();
      return shown.state === 'disabled' && shown;
    });
    assert.match(gone.disabled.reason, /410/);
    assert.ok(gone.next_try_at === null && gone.backlog >= 1);
    await server.user().holds(event);
    await until('the second one in the backlog', DELIVERED_MS, async () => (await hook.shown()).backlog >= 2);
    assert.equal(hook.receiver.received.length, 1);
    hook.receiver.respond = () => ({ status: 204 });
    granted(await hook.post('enable'));
    await until('both', DELIVERED_MS, () => hook.sequences(event).length === 3);
    assert.deepEqual(hook.sequences(event), [1, 1, 2]);
    assert.equal((await hook.shown()).disabled, null);
  });

  test('is told everything since it was made, and nothing from before', async () => {
    const event = await server.event();
    await server.user().holds(event);
    const early = await endpoint(server, { event_ids: [event] });
    await Promise.all(server.users(3).map((user) => user.holds(event)));
    await until('the later ones', DELIVERED_MS, () => early.sequences(event).length === 3);
    assert.deepEqual(early.sequences(event), [2, 3, 4]);
  });

  test('whose secret was replaced is signed for with both', async () => {
    const hook = await endpoint(server);
    const next = 'whsec_dGhlIG5leHQgc2VjcmV0';
    granted(await hook.put({ secret: next }));
    const event = await server.event();
    await server.user().holds(event);
    await until('the envelope', DELIVERED_MS, () => hook.about(event).length > 0);
    const [{ request }] = hook.about(event) as [any];
    const header = (name: string): string => String(request.headers[name]);
    const expected = [next, SECRET].map((secret) => webhookSignature(secret, header('webhook-id'), header('webhook-timestamp'), request.body));
    assert.deepEqual(header('webhook-signature').split(' '), expected);
  });

  test('is sent the trace of the request that caused it', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    const buyer = server.user();
    const admission = await buyer.admitted(event);
    granted(await buyer.reserve(event, admission, { quantity: 1 }, { headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } }), 201);
    await until('the envelope', DELIVERED_MS, () => hook.about(event).length > 0);
    const [{ request, envelope }] = hook.about(event) as [any];
    assert.equal(envelope.trace_id, TRACE);
    assert.match(request.headers.traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
  });

  test('hears only of the events and the organiser that it names', async () => {
    const [mine, other] = await Promise.all([server.event(), server.event()]);
    const [all, one, somebodys] = await Promise.all([
      endpoint(server),
      endpoint(server, { event_ids: [mine] }),
      endpoint(server, { organiser_id: 'nobody' }),
    ]);
    assert.deepEqual((await one.shown()).event_ids, [mine]);
    assert.equal((await somebodys.shown()).organiser_id, 'nobody');
    await Promise.all([mine, other].map((event) => server.user().holds(event)));
    await until('both', DELIVERED_MS, () => all.types(mine).length + all.types(other).length === 2);
    await until('mine', DELIVERED_MS, () => one.types(mine).length === 1);
    assert.deepEqual([one.types(other), somebodys.types(mine), somebodys.types(other)], [[], [], []]);
    granted(await one.put({ event_ids: [mine, other] }));
    await server.user().holds(other);
    await until('the other one, from its beginning', DELIVERED_MS, () => one.sequences(other).length === 2);
    assert.deepEqual(one.sequences(other), [1, 2]);
    for (const event_ids of [[], ['a/b'], 'all']) refused(await one.put({ event_ids }), 400, 'INVALID_REQUEST');
  });

  test('is told again what its organiser asks for', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    await Promise.all(server.users(4).map((user) => user.holds(event)));
    await until('all', DELIVERED_MS, () => hook.sequences(event).length === 4);
    const again = granted(await hook.post('replay', { event_id: event, after: 2 }));
    assert.deepEqual(again, { webhook_id: hook.id, event_id: event, after: 2, through: 4 });
    await until('two again', DELIVERED_MS, () => hook.sequences(event).length === 6);
    assert.deepEqual(hook.sequences(event), [1, 2, 3, 4, 3, 4]);
    const [first, second] = [hook.about(event)[2], hook.about(event)[4]];
    assert.equal(second?.request.body, first?.request.body, 'byte for byte');
    refused(await hook.post('replay', { event_id: 'nothing', after: 0 }), 404, 'EVENT_NOT_FOUND');
    refused(await hook.post('replay', { event_id: event }), 400, 'INVALID_REQUEST');
    refused(await admin.post('/admin/webhooks/nobody/replay', { event_id: event, after: 0 }, { key: null }), 404, 'NOT_FOUND');
  });

  test('is pinged in any state, and what came of it is shown', async () => {
    const hook = await endpoint(server);
    const ping = granted(await hook.post('ping'));
    assert.equal(ping.webhook_id, hook.id);
    assert.deepEqual([ping.delivered, ping.status, ping.problem, ping.type], [true, 204, null, 'webhook.ping']);
    const [request] = hook.receiver.received;
    const sent = JSON.parse(request?.body ?? '');
    assert.deepEqual([sent.type, sent.id, 'sequence' in sent], ['webhook.ping', ping.envelope_id, false]);
    const header = (name: string): string => String(request?.headers[name]);
    assert.equal(header('webhook-signature'), webhookSignature(SECRET, header('webhook-id'), header('webhook-timestamp'), request?.body ?? ''));
    hook.receiver.respond = () => ({ status: 410 });
    assert.deepEqual(granted(await hook.post('ping')).problem, 'answered 410');
    assert.equal((await hook.shown()).state, 'active', 'a ping changes nothing');
    granted(await hook.put({ url: 'http://127.0.0.1:1/nobody' }));
    const nobody = granted(await hook.post('ping'));
    assert.ok(nobody.delivered === false && nobody.status === null && nobody.problem.length > 0);
    refused(await admin.post('/admin/webhooks/nobody/ping', undefined, { key: null }), 404, 'NOT_FOUND');
  });

  test('shows each attempt, newest first, page by page', async () => {
    const event = await server.event();
    const hook = await endpoint(server, { event_ids: [event] });
    let failures = 1;
    hook.receiver.respond = () => ({ status: failures-- > 0 ? 500 : 200 });
    await server.user().holds(event);
    await until('the second attempt', DELIVERED_MS, () => hook.sequences(event).length === 2);
    const list = (cursor = '') => admin.get(`/admin/webhooks/${hook.id}/deliveries${cursor && `?cursor=${cursor}`}`);
    const deliveries = await until('both of them', DELIVERED_MS, async () => {
      const page = granted(await list());
      return page.deliveries.length === 2 && page.next_cursor === null && page.deliveries;
    });
    const about = deliveries.map((each: any) => [each.event_id, each.sequence, each.attempt, each.status, each.delivered, each.problem]);
    assert.deepEqual(about, [[event, 1, 2, 200, true, null], [event, 1, 1, 500, false, 'answered 500']]);
    for (let ping = 0; ping < 100; ping++) granted(await hook.post('ping'));
    const first = granted(await list());
    const second = granted(await list(first.next_cursor));
    assert.deepEqual([first.deliveries.length, second.deliveries.length, second.next_cursor], [100, 2, null]);
    refused(await list('yesterday'), 400, 'INVALID_REQUEST');
  });

  test('is listed with how it does', async () => {
    const hook = await endpoint(server, { event_ids: ['evt_none'] });
    const { webhooks } = granted(await admin.get('/admin/webhooks'));
    const listed = webhooks.find((each: any) => each.webhook_id === hook.id);
    assert.deepEqual(listed, await hook.shown());
    const { state, organiser_id, event_ids, last_success_at, last_failure, next_try_at, backlog } = listed;
    assert.deepEqual(
      { state, organiser_id, event_ids, last_success_at, last_failure, next_try_at, backlog },
      { state: 'active', organiser_id: null, event_ids: ['evt_none'], last_success_at: null, last_failure: null, next_try_at: null, backlog: 0 },
    );
    assert.ok(!JSON.stringify(webhooks).includes('whsec'));
    refused(await server.user().get('/admin/webhooks'), 403, 'FORBIDDEN');
  });

  test('that is made anew begins anew', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    await server.user().holds(event);
    await until('the first one', DELIVERED_MS, () => hook.sequences(event).length === 1);
    granted(await admin.delete(`/admin/webhooks/${hook.id}`));
    granted(await hook.put(), 201);
    await server.user().holds(event);
    await until('the second one', DELIVERED_MS, () => hook.sequences(event).length === 2);
    assert.deepEqual(hook.sequences(event), [1, 2]);
  });
});

describe('the feed', () => {
  test('has everything that was told of an event, for as long as there is the event', async () => {
    const hook = await endpoint(server);
    const event = await server.event();
    await server.user().buys(event);
    const told = await until('the purchase', DELIVERED_MS, () => hook.types(event).includes('payment.approved') && hook.about(event));
    const envelopes = await feed(server, event);
    assert.deepEqual(told.map(({ request }) => JSON.parse(request.body)), envelopes.slice(0, told.length));
    assert.deepEqual(envelopes.map(({ sequence }) => sequence), upTo(envelopes.length));
    const page = granted(await admin.get(`/admin/events/${event}/feed?after=1&limit=1`));
    assert.deepEqual([page.envelopes.length, page.envelopes[0].sequence, page.next], [1, 2, 2]);
    const end = granted(await admin.get(`/admin/events/${event}/feed?after=${envelopes.length}`));
    assert.deepEqual(end, { envelopes: [], next: null });
    refused(await admin.get('/admin/events/nothing/feed'), 404, 'EVENT_NOT_FOUND');
    refused(await admin.get(`/admin/events/${event}/feed?after=x`), 400, 'INVALID_REQUEST');
    refused(await server.user().get(`/admin/events/${event}/feed`), 403, 'FORBIDDEN');
  });
});
