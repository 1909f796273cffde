// Thousands of pages on WebSockets in one process: the handshake and what a server sends, without compression and masks
// to undo, so that the client measures the server and not itself.

import { connect, type Socket } from 'node:net';

const TEXT = 1;
const CLOSE = 8;
const HANDSHAKE_MS = 60_000;
/** Sockets that are being opened at the same time. */
const AT_ONCE = 50;

/** Told of a frame: which page, its text, and when it came, as `performance.now` has it. */
export type Heard = (page: number, text: string, at: number) => void;

export class Pages {
  readonly #sockets: Socket[] = [];
  /** Pages whose socket ended though nobody asked for it. */
  ended = 0;

  /** Opens `count` sockets at `path`; resolves when each has had its first frame. */
  async open(address: string, count: number, path: (page: number) => string, heard: Heard): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < count) {
        const page = next++;
        await this.#one(address, page, path(page), heard);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  #one(address: string, page: number, path: string, heard: Heard): Promise<void> {
    const [host, port] = address.split(':');
    const socket = connect({ host: host!, port: Number(port), noDelay: true });
    this.#sockets.push(socket);
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => reject(new Error(`page ${page}: ${why}`));
      const late = setTimeout(() => failed('no first frame'), HANDSHAKE_MS);
      let rest = Buffer.alloc(0);
      let open = false;
      socket.on('error', ({ message }) => failed(message));
      socket.on('close', () => (open ? (this.ended += 1) : failed('closed')));
      socket.on('data', (chunk) => {
        const at = performance.now();
        rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
        if (!open) {
          const end = rest.indexOf('\r\n\r\n');
          if (end < 0) return;
          const status = rest.toString('latin1', 0, end).split('\r\n', 1)[0] ?? '';
          if (!status.includes(' 101 ')) return failed(status);
          open = true;
          rest = rest.subarray(end + 4);
        }
        for (let frame = take(rest); frame; frame = take(rest)) {
          rest = rest.subarray(frame.length);
          if (frame.opcode === CLOSE) return void socket.end();
          if (frame.opcode !== TEXT) continue;
          heard(page, frame.text, at);
          clearTimeout(late);
          resolve();
        }
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').destroy();
  }
}

/** The first frame of what came, if it is whole (RFC 6455, 5.2; servers do not mask). */
function take(bytes: Buffer): { opcode: number; text: string; length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes[1]! & 0x7f;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return undefined;
  const size = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  if (bytes.length < head + size) return undefined;
  return { opcode: bytes[0]! & 0x0f, text: bytes.toString('utf8', head, head + size), length: head + size };
}
