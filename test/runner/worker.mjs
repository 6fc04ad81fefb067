// Runs one compiled test file with uvu and reports structured counts to its parent over IPC.
// uvu by itself exits 0 when a hook throws, a non-Error is thrown, `.run()` is forgotten or nothing matched.
import { pathToFileURL } from 'node:url';

globalThis.UVU_DEFER = 1;
globalThis.UVU_QUEUE = [[null]];
globalThis.UVU_INDEX = 0;

const report = { passed: 0, failed: 0, skipped: 0, errors: [] };
let sent = false;

function send() {
  if (sent) return;
  sent = true;
  process.send?.(report);
}

process.on('exit', () => {
  if (sent) return;
  report.failed += 1;
  report.errors.push(
    'the process ended before the tests finished: a promise never settled, or process.exit was called',
  );
  send();
  process.exitCode = 1;
});

await import(pathToFileURL(process.argv[2]).href);

const suites = globalThis.UVU_QUEUE[0].slice(1);
if (suites.length === 0 && !globalThis.HOLDFAST_SKIPPED) {
  report.failed += 1;
  report.errors.push('no suite called .run()');
}
for (const suite of suites) {
  const [errors, passed, skipped, total] = await suite();
  report.passed += passed;
  report.skipped += skipped;
  report.failed += total - passed;
  if (typeof errors === 'string' && errors.length > 0) report.errors.push(errors);
  else if (total > passed) report.errors.push('a hook threw, or a test threw something that is not an Error');
}
for (const reason of globalThis.HOLDFAST_SKIPPED ?? []) {
  report.skipped += 1;
  console.log(`skipped: ${reason}`);
}
send();
// A leaked handle must not hold the run; what leaked is the reviewer's business, not the clock's.
setTimeout(() => process.exit(report.failed > 0 ? 1 : 0), 50);
