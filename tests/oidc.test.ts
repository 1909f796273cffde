// Tokens of an OpenID provider, accepted beside our own.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { Caller, granted, refused, type Answer } from './client.ts';
import { serve } from './harness.ts';
import { receive } from './receiver.ts';
import { forged, hs256, providerKey, providerToken, type Claims } from './tokens.ts';

const ISSUER = 'https://id.example';
const AUDIENCE = 'tickets';
const provider = await receive();
const rsa = providerKey('RS256', 'rsa-1');
const ec = providerKey('ES256', 'ec-1');
provider.respond = () => ({ status: 200, json: { keys: [rsa.jwk, ec.jwk] } });
const server = await serve({ OIDC_ISSUER: ISSUER, OIDC_AUDIENCE: AUDIENCE, OIDC_JWKS_URL: `${provider.url}/keys` });

const now = Math.floor(Date.now() / 1000);
const claims = (more: Claims = {}): Claims => {
  return { iss: ISSUER, aud: AUDIENCE, sub: randomUUID(), username: 'guest', role: 'user', iat: now, exp: now + 600, ...more };
};
const me = (token: string): Promise<Answer> => new Caller(server.url, token).get('/auth/me');

describe('a token of the provider', () => {
  test('is accepted with RS256 and with ES256', async () => {
    for (const key of [rsa, ec]) {
      const sub = randomUUID();
      assert.equal(granted(await me(providerToken(key, claims({ sub })))).user_id, sub);
    }
  });

  test('is accepted where it names several audiences with ours among them', async () => {
    granted(await me(providerToken(rsa, claims({ aud: ['another', AUDIENCE] }))));
  });

  test('lets its user buy like any other', async () => {
    const buyer = new Caller(server.url, providerToken(ec, claims()));
    const { order } = await buyer.buys(await server.event());
    assert.equal(order.status, 'CONFIRMED');
  });

  test('is refused when forged, expired, not yet valid, for somebody else or from somebody else', async () => {
    for (const [why, token] of [
      ['forged', forged(providerToken(rsa, claims()))],
      ['forged', forged(providerToken(ec, claims()))],
      ['expired', providerToken(rsa, claims({ exp: now - 60 }))],
      ['without end', providerToken(rsa, claims({ exp: undefined }))],
      ['not yet valid', providerToken(ec, claims({ nbf: now + 90 }))],
      ['for somebody else', providerToken(rsa, claims({ aud: 'another' }))],
      ['for nobody', providerToken(rsa, claims({ aud: undefined }))],
      ['from somebody else', providerToken(rsa, claims({ iss: 'https://evil.example' }))],
    ] as const) {
      assert.equal((await me(token)).body.error?.code, 'UNAUTHENTICATED', why);
    }
  });

  test('cannot choose its algorithm', async () => {
    const publicKey = rsa.jwk.n as string;
    const secrets = [publicKey, JSON.stringify(rsa.jwk)];
    for (const secret of secrets) {
      refused(await me(hs256(secret, claims(), { alg: 'HS256', typ: 'JWT', kid: rsa.kid })), 401, 'UNAUTHENTICATED');
    }
    refused(await me(providerToken(rsa, claims(), { alg: 'ES256' })), 401, 'UNAUTHENTICATED');
    refused(await me(providerToken(ec, claims(), { kid: rsa.kid })), 401, 'UNAUTHENTICATED');
    const unsigned = providerToken(rsa, claims(), { alg: 'none' }).replace(/[^.]*$/, '');
    refused(await me(unsigned), 401, 'UNAUTHENTICATED');
  });

  test('cannot speak for our own issuer, nor our secret for the provider', async () => {
    const ours = server.mint({});
    granted(await me(ours));
    refused(await me(providerToken(rsa, claims({ iss: 'traffic-tacos', aud: 'traffic-tacos' }))), 401, 'UNAUTHENTICATED');
    refused(await me(server.mint({ iss: ISSUER, aud: AUDIENCE })), 401, 'UNAUTHENTICATED');
  });

  test('with an unknown key id is refused and makes at most one look a minute at the keys', async () => {
    const stranger = providerKey('ES256', 'ec-unknown');
    const before = provider.received.length;
    await Promise.all(Array.from({ length: 20 }, () => me(providerToken(stranger, claims()))));
    for (let i = 0; i < 5; i++) refused(await me(providerToken(stranger, claims())), 401, 'UNAUTHENTICATED');
    assert.ok(provider.received.length - before <= 1, `${provider.received.length - before} looks`);
    assert.ok(provider.received.length >= 1 && provider.received.every(({ path }) => path === '/keys'));
    granted(await me(providerToken(rsa, claims())));
  });
});
