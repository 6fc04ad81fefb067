// Puts back into package-lock.json the optional platform packages that a registry without them made npm leave out.
// `npm ci` compares the lock with the manifests on every platform and refuses a lock that lacks them.
// Run it after every change of dependencies: node scripts/complete-lock.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const file = 'package-lock.json';
const lock = JSON.parse(readFileSync(file, 'utf8'));

const operatingSystems = ['darwin', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'android', 'openharmony'];
const processors = ['arm64', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'mips64el', 'arm', 'x64'];

function platformOf(packageName) {
  const name = packageName.split('/').pop();
  const os =
    /win(32|dows)?(?!r)/.test(name) && !name.includes('darwin')
      ? 'win32'
      : (operatingSystems.find(o => name.includes(o)) ?? 'linux');
  return { os: [os], cpu: [processors.find(cpu => name.includes(cpu)) ?? 'x64'] };
}

/** Node's resolution: is `name` installed where the package at `from` would find it? */
function isLocked(from, name) {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${base ? `${base}/` : ''}node_modules/${name}`]) return true;
    if (!base) return false;
    if (!base.includes('/node_modules/')) base = '';
    if (lock.packages[`node_modules/${name}`]) return true;
    if (!base) return false;
  }
}

let completed = 0;
for (const [location, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(location, name)) continue;
    if (!/^\d/.test(version)) throw new Error(`cannot complete ${name}: ${version} is not an exact version`);
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
    };
    completed += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`completed ${completed} entries`);
