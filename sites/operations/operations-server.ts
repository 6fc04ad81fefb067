import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';

export interface OperationsServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Null when everything serves, else what is missing, in words. */
  readonly notReadyBecause: () => string | null;
  /** Adds this process's own metrics. Labels have few values: never an id. */
  readonly defineMetrics?: (registry: Registry) => void;
}

export interface OperationsServer extends AsyncDisposable {
  readonly port: number;
}

/** `/healthz` (the process runs), `/readyz` (it serves) and `/metrics` (Prometheus text) of a process without a public API. */
export async function openOperationsServer(options: OperationsServerOptions): Promise<OperationsServer> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  options.defineMetrics?.(registry);
  const server = Fastify({ bodyLimit: 1024 });
  server.get('/healthz', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const reason = options.notReadyBecause();
    if (reason === null) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', reason });
  });
  server.get('/metrics', async (_request, reply) => {
    reply.type(registry.contentType);
    return registry.metrics();
  });
  await server.listen({ host: options.host, port: options.port });
  return {
    port: (server.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => server.close(),
  };
}
