// The client library: everything that speaks to the platform.

export * from './backoff.ts';
export * from './client.ts';
export * from './clock.ts';
export type * from './contract.ts';
export * from './frames.ts';
export * from './insist.ts';
export * from './keys.ts';
export * from './place-feed.ts';
export * from './refusal.ts';
export * from './seat-feed.ts';
export * from './socket.ts';
