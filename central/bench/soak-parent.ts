import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  createCertificateAuthority,
  EmulatedLink,
  linkCutModes,
  savePeerCredentials,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { type SoakParent, verifySiteDirectory } from '@holdfast/sites';
import { readReplicaCursor } from '../intake/postgres-replica-intake.js';
import { openDatabaseAsItIs } from '../postgres/database.js';
import { prepareCentral, signIn, startCentral } from './bench-central.js';
import { newBenchIdentity } from './bench-identity.js';
import { endOfProcess } from './bench-process.js';

const HEARTBEAT_SECONDS = 5;
/** What is fetched after each cut: a minute of so many cameras, far enough back to be sealed. */
const FETCHED_CAMERAS = 3;
const FETCHED_MS = 60_000;
const FETCHED_BACK_MS = 100_000;
const FETCH_MS_MAX = 60_000;
const POLL_MS = 500;
const STOP_MS_MAX = 60_000;

interface Retrieval {
  readonly id: string;
  readonly state: string;
  readonly detail: string | null;
}
const ended = ({ state }: Retrieval) => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(state);

/** A central of the soak's site, in a process and on a disk of its own, behind a link that is cut in every way in turn. */
export async function openSoakParent(): Promise<SoakParent> {
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-soak-parent-'));
  const authority = await createCertificateAuthority({ name: 'Soak', nowMs: Date.now() });
  const [central, site] = [
    await newBenchIdentity(authority, 'central'),
    await newBenchIdentity(authority, 'site'),
  ];
  const { siteId } = site;
  const certificatePem = site.credentials.certificatePem;
  const credentials = path.join(directory, 'site-credentials');
  await savePeerCredentials(credentials, site.credentials);
  const configuration = await prepareCentral({
    ...{ directory, central, sites: [{ siteId, certificatePem }], heartbeatSeconds: HEARTBEAT_SECONDS },
  });
  const started = await startCentral(directory, configuration);
  const target = { host: '127.0.0.1', port: started.listenPort };
  const link = await EmulatedLink.open({ listenPort: 0, target, now: () => performance.now() });
  const api = new Api(started.httpPort, directory);
  const retrievals = new Map<string, Retrieval>();
  const refusals: string[] = [];
  let fetching: Promise<void> = Promise.resolve();
  let cutCount = 0;
  return {
    siteId,
    configuration: {
      credentials,
      parent: {
        ...{ siteId: central.siteId, host: '127.0.0.1', port: link.port },
        serverName: serverNameOfRole('central'),
      },
    },
    async cut(forMs) {
      await link.cut(linkCutModes[cutCount++ % linkCutModes.length]);
      await wait(forMs);
      await link.restore();
      fetching = fetching
        .then(() => fetchRecordings(api, cutCount))
        .then(
          fetched => {
            for (const retrieval of fetched) retrievals.set(retrieval.id, retrieval);
          },
          error => void refusals.push(String(error)),
        );
    },
    async verify() {
      await fetching;
      started.process.kill('SIGTERM');
      await once(started.process, 'exit', { signal: AbortSignal.timeout(STOP_MS_MAX) });
      const events = await eventsTaken(directory, siteId);
      const verification = await verifySiteDirectory(directory, { signal: new AbortController().signal });
      const states = Map.groupBy(retrievals.values(), ({ state }) => state);
      return {
        found: {
          ...{ events, segments: verification.segmentCount, mediaBytes: verification.mediaBytes },
          retrievals: Object.fromEntries([...states].map(([state, { length }]) => [state, length])),
          details: [...new Set([...retrievals.values()].flatMap(({ detail }) => detail ?? []))].slice(0, 10),
          refusals: refusals.slice(0, 10),
        },
        damages: verification.damages.map(damage => `parent: ${JSON.stringify(damage)}`),
      };
    },
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await endOfProcess(started.process);
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** What came of them; those that have not ended in a minute are left as they are. */
async function fetchRecordings(api: Api, turn: number): Promise<readonly Retrieval[]> {
  const { devices } = await api.ask<{
    devices: { edges: { node: { id: string } }[] };
  }>('{ devices(first: 100, type: CAMERA) { edges { node { id } } } }');
  const ids = devices.edges.map(({ node }) => node.id);
  if (ids.length === 0) return [];
  const deviceIds = Array.from(
    { length: Math.min(FETCHED_CAMERAS, ids.length) },
    (_, index) => ids[(turn * FETCHED_CAMERAS + index) % ids.length]!,
  );
  const fromMs = Date.now() - FETCHED_BACK_MS;
  const { requestRetrieval: requested } = await api.ask<{ requestRetrieval: Retrieval[] }>(
    `mutation ($deviceIds: [ID!]!, $from: DateTime!, $to: DateTime!) {
      requestRetrieval(deviceIds: $deviceIds, from: $from, to: $to) { id state detail }
    }`,
    {
      deviceIds,
      from: new Date(fromMs).toISOString(),
      to: new Date(fromMs + FETCHED_MS).toISOString(),
    },
  );
  const asked = new Set(requested.map(({ id }) => id));
  for (const endMs = performance.now() + FETCH_MS_MAX; ; await wait(POLL_MS)) {
    const { retrievals } = await api.ask<{ retrievals: { edges: { node: Retrieval }[] } }>(
      '{ retrievals(first: 100) { edges { node { id state detail } } } }',
    );
    const ours = retrievals.edges.map(({ node }) => node).filter(({ id }) => asked.has(id));
    if ((ours.length === asked.size && ours.every(ended)) || performance.now() > endMs) return ours;
  }
}

async function eventsTaken(
  directory: string,
  siteId: Parameters<typeof readReplicaCursor>[1],
): Promise<number> {
  await using database = await openDatabaseAsItIs({ directory: path.join(directory, 'postgres') });
  return (await readReplicaCursor(database.sql, siteId))?.position ?? 0;
}

/** GraphQL of the central, as its administrator. */
class Api {
  readonly #port: number;
  readonly #directory: string;
  #token: { readonly value: string; readonly sinceMs: number } | null = null;

  constructor(port: number, directory: string) {
    this.#port = port;
    this.#directory = directory;
  }

  async ask<Data>(query: string, variables: object = {}): Promise<Data> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${await this.#authorised()}`,
      },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data?: Data; errors?: object };
    if (data === undefined || data === null || errors !== undefined) {
      throw new Error(`the central answers ${response.status}: ${JSON.stringify(errors)}`);
    }
    return data;
  }

  /** A token lives for an hour. */
  async #authorised(): Promise<string> {
    const nowMs = performance.now();
    if (this.#token === null || nowMs - this.#token.sinceMs > 1_200_000) {
      this.#token = { value: await signIn(this.#directory, this.#port), sinceMs: nowMs };
    }
    return this.#token.value;
  }
}
