// JSON web tokens and webhook signatures, made with node:crypto alone so that nothing of the Worker checks itself.

import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

export type Claims = Record<string, unknown>;

const encode = (part: unknown): string => Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** A token signed with a shared secret, whatever its header says. */
export function hs256(secret: string, claims: Claims, header: Claims = { alg: 'HS256', typ: 'JWT' }): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** The claims of a token, unchecked. */
export function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

/** The header of a token, unchecked. */
export function headerOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
}

/** A key of an OpenID provider: its private half, and what its key set shows. */
export interface ProviderKey {
  kid: string;
  alg: 'RS256' | 'ES256';
  secret: KeyObject;
  jwk: Claims;
}

export function providerKey(alg: 'RS256' | 'ES256', kid: string): ProviderKey {
  const pair =
    alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid, alg, secret: pair.privateKey, jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

/** A token signed by a provider's key. */
export function providerToken(key: ProviderKey, claims: Claims, header: Claims = {}): string {
  const signed = `${encode({ alg: key.alg, typ: 'JWT', kid: key.kid, ...header })}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: key.secret, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The same token with its last part changed. */
export function forged(token: string): string {
  const at = token.length - 8;
  const other = token[at] === 'A' ? 'B' : 'A';
  return token.slice(0, at) + other + token.slice(at + 1);
}

/** The bytes of a webhook secret: base64 behind `whsec_`, else UTF-8. */
const secretBytes = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);

/** `v1,…` of Standard Webhooks. */
export function webhookSignature(secret: string, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', secretBytes(secret)).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** The three headers of a webhook sent now, or `offset` seconds from now. */
export function webhookHeaders(secret: string, id: string, body: string, offset = 0): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000) + offset);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': webhookSignature(secret, id, timestamp, body),
  };
}
