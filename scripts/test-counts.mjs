// A reporter for node's test runner that writes one line at the end: "<passed> <failed>".
export default async function* counts(events) {
  for await (const { type, data } of events) {
    // Each file has a summary of its own; the one without a file is the whole run's.
    if (type !== 'test:summary' || data.file !== undefined) continue;
    const { passed, failed, cancelled } = data.counts;
    yield `${passed} ${failed + cancelled}\n`;
  }
}
