// Who calls: accounts and our own tokens.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { Caller, granted, refused, type Answer } from './client.ts';
import { serve } from './harness.ts';
import { claimsOf, forged, headerOf, hs256 } from './tokens.ts';

const server = await serve();
const anyone = server.anyone();
const registration = (more: Record<string, unknown> = {}): Record<string, unknown> => {
  const username = `u_${randomUUID().slice(0, 8)}-X`;
  return { username, password: 'correct horse', email: `${username}@mail.test`, ...more };
};
const register = (body: unknown, sending = {}): Promise<Answer> => anyone.post('/auth/register', body, sending);
const login = (body: unknown): Promise<Answer> => anyone.post('/auth/login', body);
const me = (token: string): Promise<Answer> => new Caller(server.url, token).get('/auth/me');

describe('accounts', () => {
  test('an account is made, signed in and known', async () => {
    const body = registration({ display_name: '홍길동' });
    const made = granted(await register(body), 201);
    assert.deepEqual([made.username, made.display_name, made.role, made.expires_in], [body.username, '홍길동', 'user', 86_400]);
    assert.match(made.user_id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const { token, ...rest } = granted(await login({ username: body.username, password: body.password }));
    assert.equal(rest.user_id, made.user_id);
    const who = granted(await me(token));
    assert.deepEqual(who, { user_id: made.user_id, username: body.username, display_name: '홍길동', role: 'user' });
  });

  test('a token has the claims of the contract', async () => {
    const { token, user_id } = granted(await register(registration()), 201);
    const claims = claimsOf(token);
    assert.equal(headerOf(token).alg, 'HS256');
    assert.deepEqual([claims.sub, claims.role, Number(claims.exp) - Number(claims.iat)], [user_id, 'user', 86_400]);
    assert.ok(claims.username && claims.iss && claims.aud);
  });

  test('a user name exists once', async () => {
    const body = registration();
    granted(await register(body), 201);
    refused(await register({ ...body, email: 'another@mail.test' }), 409, 'USERNAME_EXISTS');
  });

  test('of many who register the same name at once one gets it', async () => {
    const body = registration();
    const answers = await Promise.all(Array.from({ length: 8 }, () => register(body)));
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [201, ...Array(7).fill(409)]);
    for (const answer of answers.filter(({ status }) => status === 409)) refused(answer, 409, 'USERNAME_EXISTS');
  });

  test('a registration that breaks a rule names the field', async () => {
    const cases: [string, unknown][] = [
      ['username', 'ab'],
      ['username', 'x'.repeat(33)],
      ['username', 'no spaces'],
      ['username', '홍길동'],
      ['password', '1234567'],
      ['email', 'nobody'],
      ['email', ''],
      ['password', 12345678],
    ];
    for (const [field, value] of cases) {
      const { details } = refused(await register(registration({ [field]: value })), 400, 'INVALID_REQUEST');
      assert.equal(details.field, field);
    }
  });

  test('the same key registers once and gives the same answer', async () => {
    const [body, key] = [registration(), randomUUID()];
    const first = await register(body, { key });
    const second = await register(body, { key });
    granted(first, 201);
    assert.deepEqual([second.status, second.text], [first.status, first.text]);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    refused(await register(registration(), { key }), 409, 'IDEMPOTENCY_CONFLICT');
  });

  test('an unknown user and a wrong password look the same', async () => {
    const body = registration();
    granted(await register(body), 201);
    const wrong = refused(await login({ username: body.username, password: 'wrong horse' }), 401, 'INVALID_CREDENTIALS');
    const unknown = refused(await login({ username: 'nobody-at-all', password: 'wrong horse' }), 401, 'INVALID_CREDENTIALS');
    assert.equal(unknown.message, wrong.message);
  });

  test('an unknown user and a wrong password take the same time', async () => {
    const body = registration();
    granted(await register(body), 201);
    const median = async (username: unknown): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 9; i++) {
        const began = performance.now();
        await login({ username, password: 'wrong horse' });
        times.push(performance.now() - began);
      }
      return times.sort((a, b) => a - b)[4] ?? 0;
    };
    const [wrong, unknown] = [await median(body.username), await median('nobody-at-all')];
    assert.ok(unknown > wrong / 3 && wrong > unknown / 3, `wrong password ${wrong} ms, unknown user ${unknown} ms`);
  });

  test('an injection is a wrong name, not a statement', async () => {
    const username = "' OR 1=1 --";
    refused(await login({ username, password: username }), 401, 'INVALID_CREDENTIALS');
  });
});

describe('tokens', () => {
  const now = Math.floor(Date.now() / 1000);

  test('a token that is missing, malformed or forged is UNAUTHENTICATED', async () => {
    refused(await anyone.get('/auth/me'), 401, 'UNAUTHENTICATED');
    const good = server.mint({});
    granted(await me(good));
    for (const token of ['x', 'a.b.c', forged(good), `${good}x`, good.split('.').slice(0, 2).join('.'), 'x'.repeat(9000)]) {
      const answer = await me(token);
      refused(answer, 401, 'UNAUTHENTICATED');
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/);
    }
    const headers = { authorization: `Basic ${good}` };
    refused(await anyone.get('/auth/me', { headers }), 401, 'UNAUTHENTICATED');
  });

  test('the signature must be ours', async () => {
    const claims = claimsOf(server.mint({}));
    refused(await me(hs256('another-secret-that-is-long-enough-0001', claims)), 401, 'UNAUTHENTICATED');
  });

  test('the algorithm is decided by the issuer and never by the token', async () => {
    const good = server.mint({});
    const claims = good.split('.')[1];
    for (const alg of ['none', 'None', 'HS384', 'RS256']) {
      const header = Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url');
      refused(await me(`${header}.${claims}.`), 401, 'UNAUTHENTICATED');
      refused(await me(`${header}.${claims}.${good.split('.')[2]}`), 401, 'UNAUTHENTICATED');
    }
  });

  test('exp is required and has a leeway of 30 s, nbf too', async () => {
    granted(await me(server.mint({ exp: now - 10 })));
    refused(await me(server.mint({ exp: now - 60 })), 401, 'UNAUTHENTICATED');
    refused(await me(server.mint({ exp: undefined })), 401, 'UNAUTHENTICATED');
    granted(await me(server.mint({ nbf: now + 10 })));
    refused(await me(server.mint({ nbf: now + 90 })), 401, 'UNAUTHENTICATED');
  });

  test('issuer and audience must be ours', async () => {
    refused(await me(server.mint({ iss: 'https://somebody.else' })), 401, 'UNAUTHENTICATED');
    refused(await me(server.mint({ aud: 'somebody-else' })), 401, 'UNAUTHENTICATED');
  });

  test('a token without a subject speaks for nobody', async () => {
    for (const sub of [undefined, '']) refused(await me(server.mint({ sub })), 401, 'UNAUTHENTICATED');
  });

  test('an invalid token on a public route is ignored', async () => {
    const stranger = new Caller(server.url, 'not.a.token');
    granted(await stranger.get('/events'));
    granted(await stranger.join('evt_2025_1001'), 202);
  });

  test('only an admin may organise', async () => {
    const path = '/admin/events/evt_2025_1001';
    refused(await anyone.get(path), 401, 'UNAUTHENTICATED');
    refused(await server.user().get(path), 403, 'FORBIDDEN');
    granted(await new Caller(server.url, server.mint({ role: 'admin' })).get(path));
    refused(await new Caller(server.url, server.mint({ role: 'Admin' })).get(path), 403, 'FORBIDDEN');
  });
});
