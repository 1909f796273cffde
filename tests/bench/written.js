// The built Worker, with the rows counted that its objects write, as the platform counts them: with those of indexes, and an alarm is a
// row, too (https://developers.cloudflare.com/durable-objects/platform/pricing/). GET /bench/rows-written, from the first inventory on.
import worker, * as built from './index.js';

export * from './index.js';

let rows;

/** Counts from now on what any object of this Worker writes. */
function count(storage) {
  if (rows !== undefined) return;
  rows = 0;
  const [sql, all] = [storage.sql, storage].map(Object.getPrototypeOf);
  const { exec } = sql;
  sql.exec = function (...given) {
    const cursor = exec.apply(this, given);
    rows += cursor.rowsWritten;
    return cursor;
  };
  const { setAlarm } = all;
  all.setAlarm = function (...given) {
    rows += 1;
    return setAlarm.apply(this, given);
  };
}

export class InventoryObject extends built.InventoryObject {
  constructor(ctx, env) {
    count(ctx.storage);
    super(ctx, env);
  }
}

export default {
  ...worker,
  fetch(request, env, ctx) {
    return request.url.endsWith('/bench/rows-written') ? new Response(String(rows)) : worker.fetch(request, env, ctx);
  },
};
