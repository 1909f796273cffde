// A D1 database as the runtime's D1 binding speaks to it: statements in, rows and columns out, one transaction a call.
// It stands in for the platform's database where the Worker runs on workerd alone.
import { DurableObject } from 'cloudflare:workers';

export class Database extends DurableObject {
  constructor(state, env) {
    super(state, env);
    const { sql } = state.storage;
    if (sql.exec("SELECT 1 FROM sqlite_schema WHERE name = 'events'").toArray().length === 0) sql.exec(env.SCHEMA);
  }

  async fetch(request) {
    const asked = await request.json();
    const format = new URL(request.url).searchParams.get('resultsFormat');
    const statements = Array.isArray(asked) ? asked : [asked];
    try {
      const run = (statement) => this.run(statement, format);
      return Response.json(this.ctx.storage.transactionSync(() => statements.map(run)));
    } catch (error) {
      return Response.json({ success: false, error: String(error?.message ?? error) });
    }
  }

  run({ sql, params }, format) {
    const cursor = this.ctx.storage.sql.exec(sql, ...(params ?? []));
    const columns = cursor.columnNames;
    const rows = [...cursor.raw()];
    const objects = () => rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
    const { changes, id } = this.ctx.storage.sql.exec('SELECT changes() AS changes, last_insert_rowid() AS id').one();
    return {
      success: true,
      results: format === 'ROWS_AND_COLUMNS' ? { columns, rows } : objects(),
      meta: {
        duration: 0,
        changes,
        last_row_id: id,
        changed_db: cursor.rowsWritten > 0,
        size_after: this.ctx.storage.sql.databaseSize,
        rows_read: cursor.rowsRead,
        rows_written: cursor.rowsWritten,
      },
    };
  }
}

export default {
  fetch(request, env) {
    return env.DATABASE.getByName('one').fetch(request);
  },
};
