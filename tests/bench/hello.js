// The floor of a request that reaches no object: an empty Worker.
export default {
  fetch() {
    return new Response('{"status":"ok"}', { headers: { 'content-type': 'application/json' } });
  },
};
