// What is cheaper on JavaScript's side of the boundary.

/** Calls `settled` with `id`, whether the promise was kept, and its value. */
export function settle(promise, id, settled) {
  promise.then(
    (value) => settled(id, true, value),
    (error) => settled(id, false, error),
  );
}

/** Calls `settled` with `id` after so many milliseconds; what `clearTimeout` takes. */
export function call_after(ms, id, settled) {
  return setTimeout(settled, ms, id, true);
}

/** Calls `settled` with `id` when what is returned is called, by whatever request: in the request that this one is. */
export function hang(id, settled) {
  const { promise, resolve } = Promise.withResolvers();
  promise.then(() => settled(id, true));
  return resolve;
}
