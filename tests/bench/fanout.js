// The floor of a change that reaches every page: a Worker whose only object sends one frame to all of its sockets.
import { DurableObject } from 'cloudflare:workers';

export class Fanout extends DurableObject {
  fetch(request) {
    if (request.headers.get('upgrade') === 'websocket') {
      const { 0: client, 1: server } = new WebSocketPair();
      this.ctx.acceptWebSocket(server);
      server.send('{"type":"snapshot","seq":0}');
      return new Response(null, { status: 101, webSocket: client });
    }
    if (request.method !== 'POST') return new Response();
    // workerd's own clock goes on while a request runs: the sending itself is part of what a page waits for.
    const at = Date.now();
    this.seq = (this.seq ?? 0) + 1;
    const frame = JSON.stringify({ type: 'delta', seq: this.seq, changes: [[0, this.seq, 1], [0, this.seq + 1, 1]] });
    for (const socket of this.ctx.getWebSockets()) socket.send(frame);
    return Response.json({ at });
  }
}

export default {
  fetch(request, env) {
    return env.FANOUT.getByName('one').fetch(request);
  },
};
