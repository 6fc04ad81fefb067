import { readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the PostgreSQL that npm installed for this machine and puts its library links in place: npm packages cannot
 * hold symbolic links, and an install with `--ignore-scripts` leaves three libraries unfound.
 */
export async function locatePostgresBinaries(): Promise<PostgresBinaries> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  let packageRoot: string;
  try {
    packageRoot = path.resolve(path.dirname(createRequire(import.meta.url).resolve(packageName)), '..');
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `no embedded PostgreSQL for this machine: the package ${packageName} is not installed. Set DATABASE_URL to a PostgreSQL server instead`,
      { cause },
    );
  }
  await placeLibraryLinks(packageRoot);
  const bin = path.join(packageRoot, 'native', 'bin');
  return { initdb: path.join(bin, 'initdb'), postgres: path.join(bin, 'postgres') };
}

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

async function placeLibraryLinks(packageRoot: string): Promise<void> {
  const listed = await readFile(path.join(packageRoot, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(listed) as readonly LibraryLink[]) {
    const link = path.join(packageRoot, target);
    const pointsTo = path.relative(path.dirname(link), path.join(packageRoot, source));
    await symlink(pointsTo, link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
