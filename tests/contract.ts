// Holds what the server answers against openapi.json. Every answer that a test sees goes through `check`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Json = Record<string, any>;

/** The document as it is in the source; `contract.test.ts` holds the served one against it. */
export const document: Json = JSON.parse(
  readFileSync(new URL('../workers/gateway/src/contract/openapi.json', import.meta.url), 'utf8'),
);

export const METHODS = ['get', 'post', 'put', 'delete'] as const;

/** Headers of every answer of every path. */
const ALWAYS = [
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'permissions-policy',
  'x-request-id',
  'traceparent',
];

const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;
ajv.addFormat('date-time', (text) => INSTANT.test(text) && !Number.isNaN(Date.parse(text)));
ajv.addFormat('email', /^[^@\s]+@[^@\s]+$/);
ajv.addFormat('uri', (text) => URL.canParse(text));
ajv.addFormat('password', true);
ajv.addSchema(document, 'contract');

const compiled = new Map<string, ValidateFunction>();

/** Why `value` is not what `schema` of the document says; empty where it is. */
export function violations(schema: Json, value: unknown): string[] {
  const text = JSON.stringify(schema).replaceAll('"#/', '"contract#/');
  let validate = compiled.get(text);
  if (!validate) compiled.set(text, (validate = ajv.compile(JSON.parse(text))));
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath || '(body)'} ${error.message} ${JSON.stringify(error.params)}`);
}

/** What a reference of the document points to. */
export function resolve(node: Json): Json {
  if (!node.$ref) return node;
  const path = (node.$ref as string).slice(2).split('/');
  return resolve(path.reduce((at, key) => at[key.replaceAll('~1', '/').replaceAll('~0', '~')], document));
}

const templates = Object.keys(document.paths).map((path) => ({
  path,
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  variables: path.split('{').length,
}));

/** The template in the document that `path` belongs to; a literal one before one with a variable. */
export function templateOf(path: string): string | undefined {
  const matching = templates.filter(({ pattern }) => pattern.test(path));
  return matching.sort((a, b) => a.variables - b.variables)[0]?.path;
}

/** One request and its answer. */
export interface Exchange {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  sent: Headers;
  /** The body sent, as text or as the value it was made from. */
  body?: unknown;
  status: number;
  headers: Headers;
  text: string;
}

/** Fails where the document does not say that this answer can be given to this request. */
export function check(exchange: Exchange): void {
  const { method, path, status, headers, text } = exchange;
  const line = `${method} ${path} → ${status}`;
  for (const name of ALWAYS) assert.ok(headers.get(name), `${line} has no header ${name}`);
  if (method === 'OPTIONS') return assert.equal(status, 204, line);
  const template = templateOf(path);
  if (!template) return checkError(line, 404, 'NOT_FOUND', exchange);
  const operation = document.paths[template][method === 'HEAD' ? 'get' : method.toLowerCase()];
  if (!operation) return checkError(line, 405, 'METHOD_NOT_ALLOWED', exchange);
  const documented = operation.responses[status];
  assert.ok(documented, `${line} is not in the contract: ${text.slice(0, 500)}`);
  if (method !== 'HEAD') checkBody(line, resolve(documented), exchange);
  if (status < 300) checkRequest(line, operation, exchange);
}

function checkError(line: string, status: number, code: string, { method, status: given, text }: Exchange): void {
  assert.equal(given, status, `${line}: the contract knows no such operation`);
  if (method === 'HEAD') return;
  const wrong = violations({ $ref: '#/components/schemas/Error' }, JSON.parse(text));
  assert.deepEqual(wrong, [], line);
  assert.equal(JSON.parse(text).error.code, code, line);
}

function checkBody(line: string, response: Json, { status, headers, text }: Exchange): void {
  const type = (headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
  if (!response.content) return assert.equal(text, '', `${line} has a body where the contract has none`);
  const media = response.content[type];
  assert.ok(media, `${line} has the content type "${type}" instead of ${Object.keys(response.content).join(', ')}`);
  if (!type.endsWith('json')) return;
  const body = JSON.parse(text);
  assert.deepEqual(violations(media.schema, body), [], `${line} is not as the contract says: ${text.slice(0, 1000)}`);
  if (status < 300) assert.ok(!('error' in body) && !('data' in body), `${line} has a top-level error or data`);
  for (const [name, header] of Object.entries<Json>(response.headers ?? {})) {
    const value = headers.get(name);
    if (value === null) continue;
    const { schema } = resolve(header);
    const read = schema.type === 'integer' ? Number(value) : value;
    assert.deepEqual(violations(schema, read), [], `${line}: header ${name}: ${value}`);
  }
  if (headers.get('idempotency-replayed')) {
    assert.ok(response.headers?.['Idempotency-Replayed'], `${line} is a replay where the contract has none`);
  }
}

/** What was granted must be what the contract asks for: a document stricter than the server would mislead. */
function checkRequest(line: string, operation: Json, { query, sent, body }: Exchange): void {
  for (const parameter of (operation.parameters ?? []).map(resolve)) {
    if (!parameter.required || parameter.in === 'path') continue;
    const there = parameter.in === 'query' ? query.get(parameter.name) : sent.get(parameter.name);
    assert.ok(there, `${line} was granted without ${parameter.name}, which the contract requires`);
  }
  const schema = resolve(operation.requestBody ?? {}).content?.['application/json']?.schema;
  if (schema && body) {
    const json = typeof body === 'string' ? JSON.parse(body) : body;
    assert.deepEqual(violations(schema, json), [], `${line} was granted a body that the contract does not allow`);
  }
}
