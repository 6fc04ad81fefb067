import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  createCertificateAuthority,
  EmulatedLink,
  issuePeerCredentials,
  LinkControlServer,
  loadCertificateAuthority,
  loadPeerCredentials,
  makeFolder,
  saveCertificateAuthority,
  savePeerCredentials,
} from '@holdfast/interconnect';
import { SiteId } from '@holdfast/schema';
import { clipNames, lockFile } from '@holdfast/sites';
import type { Logger } from 'pino';
import { writeCentralConfiguration, writeSiteConfiguration } from './demonstration-configuration.js';
import { type DemonstrationPlan, type PlannedSite, preparePlan, writePlan } from './demonstration-plan.js';
import { assertPortFree, freePort } from './demonstration-ports.js';
import { runSupervisedProcess } from './supervised-process.js';

export interface DemonstrationOptions {
  readonly dataDirectory: string;
  /** Of the console; 0 takes a free one. */
  readonly port: number;
  /** `rtsp://[user:password@]host[:port]/path`, for the first site. */
  readonly cameraUrls: readonly string[];
  readonly siteCount: number;
  /** How long one file of a recording is: what is recorded can be retrieved when it is full. */
  readonly segmentSeconds: number;
  readonly logger: Logger;
}

export interface DemonstrationReady {
  readonly ready: true;
  readonly console: string;
  readonly graphql: string;
  readonly user: string;
  readonly password: string;
  readonly sites: readonly { readonly id: SiteId; readonly name: string }[];
}

const clipTitles: Readonly<Record<(typeof clipNames)[number], string>> = {
  entrance: 'Entrance',
  'car-park': 'Car park',
  platform: 'Platform',
  corridor: 'Corridor',
};

/**
 * A central, remote sites and simulated cameras, each a process of its own, started again when it dies. Each site dials
 * the central through an emulated link in this process. Runs until the signal is aborted.
 */
export async function runDemonstration(
  options: DemonstrationOptions & { readonly onReady: (ready: DemonstrationReady) => void },
  signal: AbortSignal,
): Promise<void> {
  const { dataDirectory, logger } = options;
  const clips = clipNames.map(name => ({ name, title: clipTitles[name] }));
  using _lock = lockDataDirectory(dataDirectory);
  let plan = preparePlan({ ...options, clips });
  await prepareCertificates(dataDirectory, plan);
  const ports = await choosePorts(options.port, plan);

  await using links = new LinkSet();
  for (const site of plan.sites) {
    await links.open(site, {
      targetPort: ports.listen,
      stateFile: path.join(dataDirectory, site.directory, 'link.json'),
    });
  }
  await using control = await LinkControlServer.open({ links: links.bySite, token: plan.token, port: 0 });
  plan = { ...plan, camerasPort: ports.cameras, linkControlUrl: control.url };
  writePlan(dataDirectory, plan);

  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const connectable = plan.sites.filter(site => links.bySite.get(site.id)!.state.cut === null);
  await using ready = new Readiness(
    ['cameras', 'central', ...plan.sites.map(site => site.name), ...connectable.map(site => site.id)],
    () => options.onReady(readyMessage(plan, ports, dataDirectory)),
  );
  const start = (name: string, ...args: readonly string[]) =>
    runSupervisedProcess(
      { name, args, logger, onReport: report => ready.seen(report.kind === 'ready' ? name : report.site) },
      running,
    );
  const processes = [
    start('cameras', 'simulated-cameras', '--port', String(ports.cameras)),
    start('central', 'run', writeCentralConfiguration(dataDirectory, plan, ports)),
    ...plan.sites.map(site => {
      const file = writeSiteConfiguration(dataDirectory, plan, site, {
        linkPort: links.bySite.get(site.id)!.port,
        camerasPort: ports.cameras,
        segmentSeconds: options.segmentSeconds,
      });
      return start(site.name, 'run', file);
    }),
  ];
  try {
    await Promise.all(processes);
  } finally {
    stop.abort();
    await Promise.allSettled(processes);
  }
}

export class DemonstrationRunningError extends Error {
  override readonly name = 'DemonstrationRunningError';
  readonly code = 'DEMONSTRATION_RUNNING';
}

/** A second demonstration would write its own ports into the files that the first one's processes start from. */
function lockDataDirectory(dataDirectory: string): Disposable {
  makeFolder(dataDirectory);
  const lock = lockFile(path.join(dataDirectory, 'demonstration.lock'));
  if (lock !== null) return lock;
  throw new DemonstrationRunningError(
    `${dataDirectory}: a demonstration runs with this data; end it first, or name another folder with --data`,
  );
}

async function choosePorts(httpPort: number, plan: DemonstrationPlan) {
  if (httpPort !== 0) await assertPortFree(httpPort, 'choose another one with --port');
  if (plan.camerasPort !== null) {
    const advice =
      'the sites know their simulated cameras under it: end that program, or name another folder with --data';
    await assertPortFree(plan.camerasPort, advice);
  }
  return {
    http: httpPort || (await freePort()),
    listen: await freePort(),
    cameras: plan.camerasPort ?? (await freePort()),
  };
}

class LinkSet implements AsyncDisposable {
  readonly bySite = new Map<SiteId, EmulatedLink>();

  async open(
    site: PlannedSite,
    options: { readonly targetPort: number; readonly stateFile: string },
  ): Promise<void> {
    const link = await EmulatedLink.open({
      listenPort: 0,
      target: { host: '127.0.0.1', port: options.targetPort },
      now: () => performance.now(),
      name: site.name,
      stateFile: options.stateFile,
    });
    this.bySite.set(site.id, link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.bySite.values()].map(link => link[Symbol.asyncDispose]()));
  }
}

/** How long the facts of a site may take to arrive before the demonstration counts as ready without them. */
const READY_WITHOUT_FACTS_MS = 20_000;

/** Calls back once, when all that is expected was seen, or when only facts are missing for too long. */
class Readiness implements AsyncDisposable {
  readonly #missing: Set<string>;
  readonly #timer: NodeJS.Timeout;
  #done: (() => void) | null;

  constructor(expected: readonly string[], done: () => void) {
    this.#missing = new Set(expected);
    this.#done = done;
    this.#timer = setInterval(() => this.#finish(), READY_WITHOUT_FACTS_MS);
  }

  seen(what: string): void {
    this.#missing.delete(what);
    if (this.#missing.size === 0) this.#finish();
  }

  #finish(): void {
    if ([...this.#missing].some(what => !SiteId.safeParse(what).success)) return;
    clearInterval(this.#timer);
    this.#done?.();
    this.#done = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
  }
}

function readyMessage(
  plan: DemonstrationPlan,
  ports: { readonly http: number },
  dataDirectory: string,
): DemonstrationReady {
  const console = `http://127.0.0.1:${ports.http}/`;
  return {
    ready: true,
    console,
    graphql: `${console}graphql`,
    user: 'admin',
    password: readFileSync(path.join(dataDirectory, 'central', 'administrator.password'), 'utf8').trim(),
    sites: plan.sites.map(({ id, name }) => ({ id, name })),
  };
}

async function prepareCertificates(dataDirectory: string, plan: DemonstrationPlan): Promise<void> {
  const directory = path.join(dataDirectory, 'authority');
  let authority = await loadCertificateAuthority(directory);
  if (!authority) {
    authority = await createCertificateAuthority({ name: 'Holdfast demonstration', nowMs: Date.now() });
    await saveCertificateAuthority(directory, authority);
  }
  const servers = [
    { site: plan.central.id, role: 'central', directory: 'central' },
    ...plan.sites.map(site => ({ site: site.id, role: 'site', directory: site.directory })),
  ];
  for (const { site, role, directory: folder } of servers) {
    const target = path.join(dataDirectory, folder, 'credentials');
    if (existsSync(target) && (await loadPeerCredentials(target))) continue;
    await savePeerCredentials(
      target,
      await issuePeerCredentials(authority, { site, role, nowMs: Date.now() }),
    );
  }
}
