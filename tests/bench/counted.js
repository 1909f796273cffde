// The built Worker, with its queues' calls counted: GET /bench/queue-calls.
import worker, * as built from './index.js';

let calls = 0;

export const { InventoryObject, LaneObject, LiveObject, PaymentObject, WebhookObject } = built;

export class QueueObject extends built.QueueObject {
  ask(question) {
    calls += 1;
    return super.ask(question);
  }
}

export default {
  ...worker,
  fetch(request, env, ctx) {
    return request.url.endsWith('/bench/queue-calls') ? new Response(String(calls)) : worker.fetch(request, env, ctx);
  },
};
