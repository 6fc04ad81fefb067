// Runs on whatever Node.js the user has, before anything is installed: node core modules and old syntax only.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const marker = 'node_modules/.installed-lock-sha256';
const wantedHash = createHash('sha256').update(readFileSync('package-lock.json'));
for (const patch of readdirSync('patches').sort()) wantedHash.update(readFileSync(`patches/${patch}`));
const wanted = wantedHash.digest('hex');

// `npm ci` by hand ends with this too: else the next start would install again, and take the modules from under what runs.
if (process.argv[2] === '--note') writeFileSync(marker, wanted);
else if (!(existsSync(marker) && readFileSync(marker, 'utf8') === wanted)) {
  process.stderr.write('holdfast: installing dependencies (npm ci), about a minute …\n');
  const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    // npm start --json promises a single line of JSON on standard output.
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
    shell: process.platform === 'win32',
  });
  if (install.status !== 0) {
    process.stderr.write('holdfast: npm ci failed; its messages above say why\n');
    process.exit(install.status || 1);
  }
  writeFileSync(marker, wanted);
}
