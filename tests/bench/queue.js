// A queue as the runtime's producer binding speaks to it. What is sent waits for a second or a hundred messages, then
// goes to the consumer in the order in which it came; what the consumer leaves is sent again.
import { DurableObject } from 'cloudflare:workers';

const BATCH_MAX = 100;
const WAIT_MS = 1000;

export class Broker extends DurableObject {
  messages = [];
  busy = false;

  async fetch(request) {
    if (new URL(request.url).pathname === '/batch') {
      for (const { body } of (await request.json()).messages) this.add(body);
    } else {
      this.add(await new Response(request.body).bytes(), true);
    }
    if (this.env.QUEUE === 'consumed elsewhere') this.messages.length = 0;
    else this.timer ??= setTimeout(() => this.deliver(), this.messages.length >= BATCH_MAX ? 0 : WAIT_MS);
    return Response.json({ metadata: { metrics: { backlogCount: this.messages.length, backlogBytes: 0, oldestMessageTimestamp: 0 } } });
  }

  add(body, raw = false) {
    const bytes = raw ? body : Uint8Array.fromBase64(body);
    this.messages.push({ id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body: JSON.parse(new TextDecoder().decode(bytes)) });
  }

  async deliver() {
    while (this.messages.length > 0) {
      const batch = this.messages.splice(0, BATCH_MAX);
      const { outcome, retryBatch, explicitAcks, ackAll } = await this.env.CONSUMER.queue('sale-events', batch);
      const taken = new Set(explicitAcks);
      if (outcome !== 'ok' || (!ackAll && taken.size < batch.length)) {
        this.messages.unshift(...batch.filter(({ id }) => outcome !== 'ok' || !taken.has(id)));
        await scheduler.wait(WAIT_MS);
      }
    }
    this.timer = undefined;
  }
}

export default {
  fetch(request, env) {
    return env.BROKER.getByName('one').fetch(request);
  },
};
