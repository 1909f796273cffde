// The contract's schemas and operations as TypeScript: `npm run types` writes src/api/contract.ts from openapi.json.

import { readFileSync, writeFileSync } from 'node:fs';

const DOCUMENT = new URL('../../workers/gateway/src/contract/openapi.json', import.meta.url);
const TARGET = new URL('../src/api/contract.ts', import.meta.url);
const METHODS = ['get', 'post', 'put', 'delete'];
const BASE = '/api/v1';

type Json = Record<string, any>;

/** The type a schema describes. */
export function typeOf(schema: Json | undefined): string {
  if (!schema) return 'unknown';
  const parts: string[] = [];
  if (schema.$ref) parts.push(schema.$ref.split('/').at(-1));
  const own = ownType(schema);
  if (own) parts.push(own);
  for (const union of [schema.oneOf, schema.anyOf]) {
    if (!union || parts.length && union.every((part: Json) => !part.type && !part.$ref && !part.properties)) continue;
    if (schema.properties && !union.some((part: Json) => part.$ref)) continue;
    parts.push(`(${union.map(typeOf).join(' | ')})`);
  }
  return parts.length ? parts.join(' & ') : 'unknown';
}

/** What a schema says by itself, without what it refers to. */
function ownType(schema: Json): string {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value: unknown) => JSON.stringify(value)).join(' | ');
  if (schema.properties) return objectType(schema);
  if (schema.$ref) return '';
  const types = [schema.type ?? []].flat() as string[];
  return types.map((type) => plainType(type, schema)).join(' | ');
}

function plainType(type: string, schema: Json): string {
  if (type === 'integer') return 'number';
  if (type === 'array') return `${bracketed(typeOf(schema.items))}[]`;
  if (type === 'object') return 'Record<string, unknown>';
  return type;
}

const bracketed = (type: string): string => (/[ |&]/.test(type) ? `(${type})` : type);

function objectType(schema: Json): string {
  const required = new Set<string>(schema.required ?? []);
  const fields = Object.entries(schema.properties as Json).map(
    ([name, field]) => `${/^\w+$/.test(name) ? name : JSON.stringify(name)}${required.has(name) ? '' : '?'}: ${typeOf(field)}`,
  );
  return `{ ${fields.join('; ')} }`;
}

/** `POST /queue/join: { body: Join; answer: Joined; key: true }` for every operation under the base path. */
function operations(document: Json): string[] {
  const lines: string[] = [];
  for (const [path, item] of Object.entries(document.paths as Json)) {
    if (!path.startsWith(`${BASE}/`)) continue;
    for (const method of METHODS.filter((name) => item[name])) lines.push(operation(path, method, item[method], document));
  }
  return lines;
}

function operation(path: string, method: string, described: Json, document: Json): string {
  const body = described.requestBody?.content?.['application/json']?.schema;
  const answers = Object.entries(described.responses as Json).filter(([status]) => status.startsWith('2'));
  const answer = answers.map(([, response]) => typeOf(resolve(response, document).content?.['application/json']?.schema));
  const parameters = (described.parameters ?? []).map((each: Json) => resolve(each, document));
  const key = parameters.some((each: Json) => each.name === 'Idempotency-Key' && each.required);
  const name = `${method.toUpperCase()} ${path.slice(BASE.length)}`;
  return `  '${name}': { body: ${body ? typeOf(body) : 'undefined'}; answer: ${[...new Set(answer)].join(' | ') || 'undefined'}; key: ${key} };`;
}

function resolve(node: Json, document: Json): Json {
  if (!node.$ref) return node;
  return node.$ref.slice(2).split('/').reduce((at: Json, part: string) => at[part], document);
}

/** The whole file. */
export function contractTypes(document: Json): string {
  const schemas = Object.entries(document.components.schemas as Json).map(([name, schema]) => {
    const about = schema.description ? `/** ${schema.description} */\n` : '';
    return `${about}export type ${name} = ${typeOf(schema)};`;
  });
  return [
    '// Made from openapi.json by `npm run types`; not to be edited.',
    ...schemas,
    '/** Every operation under /api/v1: what it takes, what it answers, whether it must carry an idempotency key. */',
    `export interface Operations {\n${operations(document).join('\n')}\n}`,
  ].join('\n\n') + '\n';
}

/** What the file must hold now. */
export const expected = (): string => contractTypes(JSON.parse(readFileSync(DOCUMENT, 'utf8')));

if (process.argv[1] && import.meta.url.endsWith(process.argv[1].replaceAll('\\', '/').split('/').slice(-2).join('/'))) {
  writeFileSync(TARGET, expected());
}
