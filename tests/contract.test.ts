// The published document and the server say the same. That every single answer of every test is as the document says is
// seen to by the client; here it is asked the other way round.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { document, METHODS, resolve, templateOf, violations } from './contract.ts';
import { refused, type Answer } from './client.ts';
import { ROOT, serve } from './harness.ts';

const server = await serve();

interface Operation {
  path: string;
  method: string;
  operation: Record<string, any>;
}

const operations: Operation[] = Object.entries<any>(document.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({ path, method: method.toUpperCase(), operation: item[method] })),
);

/** The path with something in place of its variable that nobody has. */
const filled = (path: string): string => path.replace('{name}', 'seat-taken').replace('{id}', 'none');
const name = ({ method, path }: Operation): string => `${method} ${path}`;

describe('the document', () => {
  test('says what it must of every operation', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length, 'an id each');
    for (const one of operations) {
      const { operation, path } = one;
      assert.ok(operation.summary && operation.tags?.length === 1, name(one));
      const statuses = Object.keys(operation.responses).map(Number);
      assert.ok(statuses.some((status) => status < 300), name(one));
      const variables = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const described = (operation.parameters ?? []).map(resolve).filter((parameter: any) => parameter.in === 'path');
      assert.deepEqual(described.map((parameter: any) => parameter.name), variables, name(one));
    }
  });

  test('gives every status of a failure its codes, and every code its status', () => {
    const known: string[] = document.components.schemas.ErrorCode.enum;
    for (const one of operations) {
      const { operation } = one;
      const listed: string[] = operation['x-error-codes'];
      const answered = Object.entries<any>(operation.responses).filter(([status]) => Number(status) >= 400);
      const examples = answered.flatMap(([status, response]) => {
        const { content } = resolve(response);
        return Object.entries<any>(content['application/json'].examples).map(([code, example]) => {
          const { value } = resolve(example);
          assert.deepEqual(violations(content['application/json'].schema, value), [], `${name(one)} ${code}`);
          assert.equal(value.error.code, code);
          return `${status} ${code}`;
        });
      });
      const statusOf = (code: string): string => examples.find((example) => example.endsWith(` ${code}`)) ?? assert.fail(`${name(one)} ${code}`);
      assert.equal(new Set(listed.map(statusOf)).size, examples.length, name(one));
      for (const code of listed) assert.ok(known.includes(code), code);
    }
    const everywhere = new Set(operations.flatMap(({ operation }) => operation['x-error-codes']));
    assert.deepEqual(known.filter((code) => !everywhere.has(code)), ['METHOD_NOT_ALLOWED'], 'every code is some answer');
  });

  test('has examples that are as its schemas say', () => {
    for (const one of operations) {
      const bodies = [resolve(one.operation.requestBody ?? {}), ...Object.values<any>(one.operation.responses).map(resolve)];
      for (const { content = {} } of bodies) {
        const { schema, example } = content['application/json'] ?? {};
        if (example !== undefined) assert.deepEqual(violations(schema, example), [], name(one));
      }
    }
  });

  test('says of /payment what it says of /payments', () => {
    const without = ({ operationId: _, description: __, ...rest }: any): unknown => rest;
    for (const { path, method, operation } of operations.filter((one) => /\/payments(\/|$)/.test(one.path))) {
      const alias = document.paths[path.replace('/payments', '/payment')]?.[method.toLowerCase()];
      assert.deepEqual(without(alias ?? {}), without(operation), path);
    }
  });
});

describe('the server', () => {
  for (const one of operations) {
    test(`has ${name(one)}`, async () => {
      const answer = await server.user().send(one.method, filled(one.path));
      assert.ok(answer.status !== 405 && answer.body?.error?.code !== 'NOT_FOUND' || one.path.includes('{id}'), answer.text);
      assert.ok(answer.status < 500, answer.text);
    });
  }

  test('has no method that the document does not have', async () => {
    for (const path of Object.keys(document.paths)) {
      const answer = await server.user().send('PATCH', filled(path));
      refused(answer, 405, 'METHOD_NOT_ALLOWED');
      const allowed = (answer.headers.get('allow') ?? '').split(', ').filter((method) => !['HEAD', 'OPTIONS'].includes(method));
      const documented = METHODS.filter((method) => document.paths[path][method]).map((method) => method.toUpperCase());
      assert.deepEqual(allowed.sort(), [...documented].sort(), path);
    }
  });

  test('has no route that the document does not have', () => {
    const source = readFileSync(join(ROOT, 'workers/gateway/src/routes.rs'), 'utf8');
    const routes = [...source.matchAll(/route\("([^"]+)"/g)].map((match) => match[1] ?? '');
    assert.ok(routes.length > 30, 'the table is where it is looked for');
    for (const route of routes) assert.ok(document.paths[route], `${route} is not in the document`);
  });

  test('asks for a token where the document says so, and only there', async () => {
    for (const one of operations) {
      const answer = await server.anyone().send(one.method, filled(one.path));
      const needed = (one.operation.security ?? []).some((way: any) => 'bearer' in way) && one.operation.security.length === 1;
      assert.equal(answer.body?.error?.code === 'UNAUTHENTICATED', needed, name(one));
    }
  });

  test('asks for a key where the document says so, and only there', async () => {
    for (const one of operations) {
      const parameters = (one.operation.parameters ?? []).map(resolve);
      const needed = parameters.some((parameter: any) => parameter.name === 'Idempotency-Key' && parameter.required);
      const answer = await server.admin.send(one.method, filled(one.path));
      assert.equal(answer.body?.error?.code === 'IDEMPOTENCY_REQUIRED', needed, name(one));
    }
  });

  test('refuses a body that is not JSON where the document has one', async () => {
    for (const one of operations) {
      const content = resolve(one.operation.requestBody ?? {}).content ?? {};
      if (!content['application/json']) continue;
      const headers = { 'content-type': 'text/plain', 'idempotency-key': 'contract-test' };
      const answer: Answer = await server.admin.send(one.method, filled(one.path), { body: 'x', headers });
      refused(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
    }
  });

  test('finds the literal path before the one with a variable', () => {
    assert.equal(templateOf('/api/v1/payments/intent'), '/api/v1/payments/intent');
    assert.equal(templateOf('/api/v1/payments/x/status'), '/api/v1/payments/{id}/status');
    assert.equal(templateOf('/api/v1/none'), undefined);
  });
});
