import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Name and version, as peers and logs are told. */
export const SOFTWARE = `holdfast ${manifest.version}`;
