// The Worker as the platform sees it: what is served, and the classes of its objects, around the module that wasm-bindgen made.
//
// It stands in for the entry that `worker-build` writes, which wraps every instance and every method of one in a `Proxy`,
// for each request anew, so that a Wasm that broke down is replaced. That is done here in plain words, and objects can be
// asked by remote calls: https://developers.cloudflare.com/workers/runtime-apis/rpc/
import { DurableObject, WorkerEntrypoint } from 'cloudflare:workers';
import * as wasm from './index.js';

Error.stackTraceLimit = 100;
/** What a panic notes, and which instance of the Wasm this is. */
const state = wasm.__worker_init_state();

/** Replaces the Wasm, if it broke down. */
function intact() {
  if (!state.criticalError) return;
  console.log('Reinitializing Wasm application');
  wasm.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

/** After a trap nothing in its memory can be trusted. */
function noted(error) {
  if (error instanceof WebAssembly.RuntimeError) {
    console.error('Critical', error);
    state.criticalError = true;
  }
  return error;
}

addEventListener('error', ({ error }) => noted(error));

/** What `work` comes to, at once or as a promise of it, in a Wasm that is intact. */
function run(work) {
  try {
    const outcome = work();
    return outcome instanceof Promise ? outcome.catch((error) => { throw noted(error); }) : outcome;
  } catch (error) {
    throw noted(error);
  }
}

export default {
  fetch(request, env, ctx) {
    intact();
    const answer = run(() => wasm.fetch(request, env));
    // It goes on when its client is gone: others may wait for what it asks an object.
    if (answer instanceof Promise) ctx.waitUntil(answer);
    return answer;
  },

  queue(batch, env, ctx) {
    intact();
    return run(() => wasm.queue(batch, env, ctx));
  },
};

/** The gateway, as objects ask it. */
export class Gateway extends WorkerEntrypoint {
  ask(questions) {
    intact();
    const answer = run(() => wasm.ask(this.env, questions));
    // It goes on when whoever asked is gone, as a request does.
    if (answer instanceof Promise) this.ctx.waitUntil(answer);
    return answer;
  }
}

/** The class of objects of `Built` that have these methods. One is made anew in a Wasm that was replaced. */
function objects(Built, ...methods) {
  class Kept extends DurableObject {
    #made;
    #madeIn;

    constructor(ctx, env) {
      super(ctx, env);
      Kept.current(this);
    }

    static current(object) {
      intact();
      if (object.#madeIn !== state.instanceId) {
        try {
          object.#made = new Built(object.ctx, object.env);
        } catch (error) {
          // What broke while it began cannot go on.
          state.criticalError = true;
          throw error;
        }
        object.#madeIn = state.instanceId;
      }
      return object.#made;
    }
  }
  for (const method of methods) {
    Kept.prototype[method] = function call(...args) {
      return run(() => Kept.current(this)[method](...args));
    };
  }
  return Kept;
}

export const LaneObject = objects(wasm.LaneObject, 'ask');
export const QueueObject = objects(wasm.QueueObject, 'ask', 'alarm');
export const InventoryObject = objects(wasm.InventoryObject, 'ask', 'alarm');
export const PaymentObject = objects(wasm.PaymentObject, 'ask', 'alarm');
export const WebhookObject = objects(wasm.WebhookObject, 'ask', 'alarm');
export const LiveObject = objects(wasm.LiveObject, 'fetch', 'alarm', 'webSocketMessage', 'webSocketClose', 'webSocketError');
