// The floor of a request that reaches an object: a Worker that calls an object which does nothing.
import { DurableObject } from 'cloudflare:workers';

export class Empty extends DurableObject {
  fetch() {
    return new Response('{"status":"ok"}', { headers: { 'content-type': 'application/json' } });
  }
}

export default {
  fetch(request, env) {
    return env.EMPTY.getByName('one').fetch(request);
  },
};
