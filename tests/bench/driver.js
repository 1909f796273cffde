// Asks the objects of the Worker directly, so that what they take is seen without the gateway. `/drive/<what>/<count>?event=<id>` asks
// once; everything else goes to the Worker.
import { DurableObject } from 'cloudflare:workers';
import module from 'questions.wasm';

const questions = new WebAssembly.Instance(module).exports;
const JOINS = 100;

export class Empty extends DurableObject {
  ask() {
    return new Uint8Array(5);
  }
}

// Lanes that have no batch out, and the number of each one's last: plain data, never another request's promise. Lane 0 is asked itself.
const idle = Array.from({ length: 127 }, (_, i) => i + 1);
const batches = new Map();
let callers = 0;
// Seats that were held, by event.
const held = new Map();

/** What the module has just written. */
const written = (bytes) => new Uint8Array(questions.memory.buffer, questions.at(), bytes).slice();

function granted(answer, count) {
  new Uint8Array(questions.memory.buffer, questions.room(answer.length), answer.length).set(answer);
  return questions.granted(count) !== 0;
}

function batch() {
  const lane = idle.pop();
  const seq = (batches.get(lane) ?? 0) + 1;
  batches.set(lane, seq);
  return [written(questions.batch(lane, seq, JOINS)), () => idle.push(lane)];
}

function holds(event, count) {
  const first = held.get(event) ?? 0;
  held.set(event, first + count);
  return written(questions.holds(first, count, Date.now()));
}

/** What is asked: the object, the questions in one body, and what to do when they are answered. */
function asked(what, event, count, env) {
  switch (what) {
    case 'batch':
      return [env.QUEUE.getByName(event), ...batch()];
    case 'board':
      return [env.QUEUE.getByName(event), written(questions.board())];
    case 'join':
      return [env.LANE.getByName(`${event}/0`), written(questions.join(++callers))];
    case 'hold':
      return [env.INVENTORY.getByName(event), holds(event, count)];
    default:
      // Nobody, or one that grants whatever it is asked: questions that are written as well.
      return [what === 'empty' ? env.EMPTY.getByName('one') : null, written(questions.holds(0, count, Date.now()))];
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith('/drive/')) return env.OURS.fetch(request);
    const [, , what, count] = pathname.split('/');
    const [object, body, done] = asked(what, searchParams.get('event'), Number(count), env);
    if (object === null) return new Response(String(body.length));
    const answer = await object.ask(body);
    done?.();
    if (what === 'empty' || granted(answer, Number(count))) return new Response(String(answer.length));
    return new Response(new TextDecoder().decode(answer).slice(0, 200), { status: 500 });
  },
};
