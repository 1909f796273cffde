// node scripts/schemathesis-summary.mjs OPENAPI FOLDER PASS...
//
// Sums up what schemathesis did, from FOLDER/PASS.json (its report) and FOLDER/PASS.answers.json (what tests/
// schemathesis_hooks.py saw). Fails where a pass failed, an operation was not tried, or the first pass had one never granted.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [document, folder, ...passes] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));

const methods = ['get', 'post', 'put', 'delete'];
const described = Object.entries(read(document).paths).flatMap(([path, item]) =>
  methods.filter((method) => item[method]).map((method) => [`${method.toUpperCase()} ${path}`, item[method]]),
);
const operations = described.map(([name]) => name);
/** Sockets are tried as plain requests only. */
const sockets = new Set(described.filter(([, { responses }]) => '101' in responses).map(([name]) => name));
const isGranted = (status) => status >= 200 && status < 400;

let failed = false;
for (const [index, pass] of passes.entries()) {
  const report = read(join(folder, `${pass}.json`));
  const answers = read(join(folder, `${pass}.answers.json`));
  const requests = Object.values(answers).flatMap((statuses) => Object.values(statuses));
  const untried = operations.filter((name) => !answers[name]);
  const granted = operations.filter((name) => Object.keys(answers[name] ?? {}).some((status) => isGranted(Number(status))));
  console.log(
    `schemathesis ${pass}: operations tested ${report.operations.tested} / ${operations.length}, granted at least once ${granted.length}, ` +
      `cases ${report.test_cases.generated}, requests ${requests.reduce((sum, count) => sum + count, 0)}, ` +
      `failures ${report.test_cases.unique_failures}, errors ${report.errors.length}, ${Math.round(report.running_time)} s`,
  );
  for (const { code, title, count } of report.failures) console.log(`  ${code} ${title}: ${count}`);
  const never = operations.filter((name) => !granted.includes(name) && !sockets.has(name));
  if (index === 0 && never.length > 0) console.log(`  never granted: ${never.map((name) => `${name} ${JSON.stringify(answers[name] ?? {})}`).join(', ')}`);
  if (untried.length > 0) console.log(`  not tried: ${untried.join(', ')}`);
  const incomplete = report.operations.tested !== operations.length || untried.length > 0 || !report.complete;
  failed ||= incomplete || report.exit_code !== 0 || (index === 0 && never.length > 0);
}
process.exit(failed ? 1 : 0);
