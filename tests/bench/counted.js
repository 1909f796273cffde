// The built Worker, with its queues' calls counted: GET /bench/queue-calls.
import worker, * as built from './index.js';

let calls = 0;
const counted = {
  construct(target, args, made) {
    const object = Reflect.construct(target, args, made);
    return new Proxy(object, {
      get(_, name) {
        const value = Reflect.get(object, name);
        if (typeof value !== 'function') return value;
        return (...given) => {
          if (name === 'fetch') calls += 1;
          return value.apply(object, given);
        };
      },
    });
  },
};

export const { InventoryObject, LaneObject, LiveObject, PaymentObject, WebhookObject } = built;
export const QueueObject = new Proxy(built.QueueObject, counted);

export default class extends worker {
  fetch(request) {
    return request.url.endsWith('/bench/queue-calls') ? new Response(String(calls)) : super.fetch(request);
  }
}
