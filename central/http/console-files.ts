import { existsSync } from 'node:fs';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** From `central/dist/http`. */
const CONSOLE_DIRECTORY = path.resolve(import.meta.dirname, '../../console/dist');
/** Below these nothing is a page. */
const NO_PAGES = /^\/(graphql|media|api|metrics|healthz|readyz|assets)(\/|$)/i;

/** The built console, and its start page for every address that is a page of it. */
export async function registerConsole(server: FastifyInstance): Promise<void> {
  const built = existsSync(path.join(CONSOLE_DIRECTORY, 'index.html'));
  if (built) {
    await server.register(fastifyStatic, {
      root: CONSOLE_DIRECTORY,
      // File names of the build carry the hash of what is in them; the start page must be asked for anew.
      setHeaders: (reply, file) => {
        const forever = file.includes(`${path.sep}assets${path.sep}`);
        reply.header('cache-control', forever ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
  }
  server.setNotFoundHandler((request, reply) => {
    const pathname = request.url.split('?')[0]!;
    const isPage = request.method === 'GET' && !NO_PAGES.test(pathname) && !pathname.includes('.');
    if (built && isPage) return reply.sendFile('index.html');
    const message =
      isPage && !built ? 'the console is not built: run `npm run build`' : `nothing is at ${pathname}`;
    return reply.code(404).send({ code: 'NOT_FOUND', message });
  });
}
