// For tests: a central's HTTP server on a real database, whose sites are fixtures that answer commands at once.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { CameraRefusedError, type RecordedEvent, sealCommand } from '@holdfast/core';
import type {
  CameraRequest,
  CommandId,
  DeviceId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  RetrievalId,
  SiteCommand,
  SiteId,
} from '@holdfast/schema';
import { generateSealingKey, SubjectKeys } from '@holdfast/sites';
import type { ApiPorts, CommandOutcome, LinkView } from '../api/api-ports.js';
import { AccessTokens } from '../identity/access-tokens.js';
import { Administrator, administratorPasswordFile } from '../identity/administrator.js';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { FEED_CHANNEL } from '../intake/postgres-replica-intake.js';
import type { MediaDirectory } from '../media-gateway/media-directory.js';
import { openDatabase } from '../postgres/database.js';
import { Projections } from '../read-models/projections.js';
import { PROJECTED_CHANNEL } from '../read-models/projector.js';
import { readModels } from '../read-models/read-models.js';
import { listenFor } from '../read-models/wakeup.js';
import { createCentralHttp } from './central-http.js';

const noMedia: MediaDirectory = {
  liveSource: async () => ({ refused: 'NO_SUCH_DEVICE', message: 'no such device' }),
  recordingSources: async () => ({ refused: 'NO_SUCH_DEVICE', message: 'no such device' }),
  snapshot: async () => ({ refused: 'NO_SUCH_DEVICE', message: 'no such device' }),
};

export type CentralFixture = Awaited<ReturnType<typeof openCentralFixture>>;

export async function openCentralFixture(media: MediaDirectory = noMedia) {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-http-'));
  const database = await openDatabase({ directory: path.join(directory, 'postgres'), databaseUrl: null });
  const { sql } = database;
  const own = new FeedFixture();
  const child = new FeedFixture();
  const faults: unknown[] = [];
  const takeIn = (...events: readonly RecordedEvent[]) => takeInto(sql, events);
  const isFault = (fault: unknown) => faults.push(fault);
  const projections = new Projections({
    ...{ sql, ownSite: own.site, models: readModels, now: Date.now, random: Math.random },
    feedGrown: await listenFor(sql, FEED_CHANNEL),
    reports: {
      ...{ onQuarantined: isFault, onHalted: isFault, onGivenUp: isFault, onReleased: () => undefined },
      ...{ onDifference: isFault, onRetry: isFault },
    },
  });
  const stopped = new AbortController();
  const running = projections.run(stopped.signal);
  const site: FixtureSite = {
    silent: false,
    awaited: new Set(),
    late: false,
    keyUnknown: false,
    links: new Map(),
    asked: [],
    heard: [],
  };
  const personal = SubjectKeys.open({
    file: path.join(directory, 'subject-keys.sqlite'),
    ...{ site: own.site, sealingKeyPem: generateSealingKey().privateKeyPem },
  });
  const ports = { ...fixturePorts(own, child, site, takeIn, personal), projections };
  const projected = await listenFor(sql, PROJECTED_CHANNEL);
  const administrator = Administrator.load(directory);
  const tokens = AccessTokens.load({ dataDirectory: directory, issuer: 'urn:test', now: Date.now });
  const http = await createCentralHttp({
    ...{ host: '127.0.0.1', port: 0, sql, projected, api: ports, media, administrator, tokens },
    ...{ reportSignIn: () => undefined, notReadyBecause: () => null, onFault: error => faults.push(error) },
  });
  const password = (await readFile(administratorPasswordFile(directory), 'utf8')).trim();
  return {
    ...{ database, own, child, takeIn, projections, ports, site, faults, password, tokens },
    origin: `127.0.0.1:${http.port}`,
    token: await tokens.issue('admin'),
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      stopped.abort();
      await running;
      await database[Symbol.asyncDispose]();
      personal[Symbol.dispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

interface FixtureSite {
  /** Does not answer: its link is down. */
  silent: boolean;
  /** Sites whose evidence locks are not known. */
  awaited: ReadonlySet<SiteId>;
  /** Its link came back after the time of the command. */
  late: boolean;
  /** Nothing of its log has arrived. */
  keyUnknown: boolean;
  readonly links: Map<string, LinkView>;
  /** By cameras. */
  readonly heard: {
    readonly askedBy: string;
    readonly sound: Buffer[];
    readonly end: (because: string) => void;
  }[];
  /** Of cameras. */
  readonly asked: {
    readonly deviceId: DeviceId;
    readonly request: CameraRequest;
    readonly askedBy: string;
  }[];
}

function fixturePorts(
  own: FeedFixture,
  child: FeedFixture,
  site: FixtureSite,
  takeIn: (...events: readonly RecordedEvent[]) => Promise<void>,
  personal: SubjectKeys,
): Omit<ApiPorts, 'projections'> {
  return {
    ownSite: own.site,
    ownHead: () => ({ site: own.site, epoch: 1, size: own.position, root: new Uint8Array(32) }),
    commands: {
      async send(siteId, asked, { actor }): Promise<CommandOutcome> {
        const command = sealCommand(asked, personal);
        const commandId = randomUUID() as CommandId;
        const at = siteId === own.site ? own : child;
        const issued = { commandId, targetSiteId: siteId, command, notAfterMs: null };
        await takeIn(own.event(`wishes-${siteId}`, { type: 'CommandIssued', data: issued }, { actor }));
        if (site.silent) return { commandId, state: 'PENDING' };
        if (site.late) return { commandId, state: 'EXPIRED' };
        const facts = factsOf(command, personal, own.site);
        if (facts === null) {
          return { commandId, state: 'REJECTED', code: 'NOTHING_ASKED', message: 'so already' };
        }
        const answer = { commandId, parentSiteId: own.site, wishRevision: 0 };
        await takeIn(
          ...facts.map(({ stream, event }) => at.event(stream, event, { actor })),
          at.event(`answers-${own.site}`, { type: 'CommandApplied', data: answer }),
        );
        return { commandId, state: 'APPLIED' };
      },
    },
    retrievals: {
      async request({ actor, ...query }) {
        const retrievalId = randomUUID() as RetrievalId;
        const data = { retrievalId, ...query, trigger: 'REQUEST' as const };
        await takeIn(own.event(`retrieval-${retrievalId}`, { type: 'RetrievalRequested', data }, { actor }));
        return { requested: true, retrievalId };
      },
      async cancel({ retrievalId, actor }) {
        const event = { type: 'RetrievalCancelled' as const, data: { retrievalId } };
        await takeIn(own.event(`retrieval-${retrievalId}`, event, { actor }));
        return { cancelled: true };
      },
    },
    cameras: {
      async control(deviceId, request, { askedBy }) {
        site.asked.push({ deviceId, request, askedBy });
        if (site.silent) throw new CameraRefusedError('NOT_CONNECTED', 'its link may be down');
        if (request.kind === 'SET_OUTPUT') throw new CameraRefusedError('CAMERA_CANNOT', 'it has no output');
        if (request.kind === 'PTZ_SESSION') return { presets: [], session: null };
        if (request.kind === 'RESERVE_PTZ') {
          const { priority = 0, forMs } = request;
          const untilMs = Date.now() + forMs;
          return { presets: [], session: { heldBy: askedBy, priority, reserved: true, untilMs } };
        }
        const givesPresets = request.kind === 'LIST_PRESETS' || request.kind === 'SAVE_PRESET';
        return { presets: givesPresets ? [{ token: '1', name: 'Gate' }] : [] };
      },
      async speak(_, { askedBy }) {
        if (site.silent) throw new CameraRefusedError('NOT_CONNECTED', 'its link may be down');
        const { promise: over, resolve } = Promise.withResolvers<string>();
        site.heard.push({ askedBy, sound: [], end: resolve });
        const { sound } = site.heard.at(-1)!;
        return {
          over,
          say: bytes => void sound.push(Buffer.from(bytes)),
          [Symbol.asyncDispose]: async () => resolve('closed'),
        };
      },
    },
    awayAt: () => () => false,
    awaitedSites: () => site.awaited,
    newestReceipt: async () => null,
    operators: {
      async record(events, actor) {
        await takeIn(...events.map(event => own.event(`operator-${event.type}`, event, { actor })));
      },
    },
    searchMotion: (_, { fromMs }) => [fromMs + 1000, fromMs + 5000],
    personal,
    links: { view: siteId => site.links.get(siteId) ?? null, relayed: () => null, head: () => null },
    linkControl: null,
    sealCredentials: async () => (site.keyUnknown ? null : 'AAAA'),
    servers: () => [],
    softwareVersion: 'test',
    foldCode: 'test',
    now: Date.now,
    newId: randomUUID,
  };
}

interface Fact {
  readonly stream: string;
  readonly event: HoldfastEvent;
}

/** What a site that agrees to everything would write. */
function factsOf(command: SiteCommand, keys: SubjectKeys, site: SiteId): readonly Fact[] | null {
  switch (command.kind) {
    case 'RaiseAlarm': {
      const { kind: _, ...data } = command;
      const raised = { ...data, localNumber: 1, sourceName: '', raisedAtMs: Date.now() };
      return [{ stream: `alarm-${data.alarmId}`, event: { type: 'AlarmRaised', data: raised } }];
    }
    case 'HandleAlarm': {
      const { alarmId, comment, state } = command;
      const stream = `alarm-${alarmId}`;
      if (comment) return [{ stream, event: { type: 'AlarmCommented', data: { alarmId, comment } } }];
      if (state === 'IN_PROGRESS')
        return [{ stream, event: { type: 'AlarmAcknowledged', data: { alarmId } } }];
      return null;
    }
    case 'CreateEvidenceLock': {
      const { kind: _, ...data } = command;
      return [
        { stream: `evidence-lock-${data.evidenceLockId}`, event: { type: 'EvidenceLockCreated', data } },
      ];
    }
    case 'ConfigureDevice': {
      const { hardwareId, deviceId, recordingPolicy: policy, streams } = command;
      if (streams) {
        const data = { hardwareId, deviceId, streams };
        return [{ stream: `hardware-${hardwareId}`, event: { type: 'DeviceStreamsConfigured', data } }];
      }
      if (!policy) return null;
      const data = { hardwareId, deviceId, policy };
      return [{ stream: `hardware-${hardwareId}`, event: { type: 'DeviceRecordingPolicySet', data } }];
    }
    case 'StartRecording': {
      const { deviceId, durationMs } = command;
      const data = { deviceId, fromMs: Date.now(), untilMs: Date.now() + durationMs };
      return [{ stream: `manual-recording-${deviceId}`, event: { type: 'ManualRecordingStarted', data } }];
    }
    case 'CreateBookmark': {
      const { kind: _, ...data } = command;
      return [{ stream: `bookmark-${data.bookmarkId}`, event: { type: 'BookmarkCreated', data } }];
    }
    case 'AddHardware': {
      const { kind: _, ...data } = command;
      const added = { ...data, driver: 'rtsp' as const, transport: 'AUTO' as const };
      return [{ stream: `hardware-${data.hardwareId}`, event: { type: 'HardwareAdded', data: added } }];
    }
    case 'EraseSubject': {
      const { subject } = command;
      const keyIds = [...keys.keyIdsOf(subject)];
      keys.destroy({ by: site, subject, keyIds });
      return [{ stream: `subject-${subject}`, event: { type: 'SubjectErased', data: { subject, keyIds } } }];
    }
    default:
      return null;
  }
}

export const newDeviceId = () => randomUUID() as DeviceId;

/** A site with one recording server and some cameras. */
export function siteFacts(
  fixture: FeedFixture,
  name: string,
  cameras: readonly { readonly id: DeviceId; readonly name: string }[],
): { readonly events: readonly RecordedEvent[]; readonly recordingServerId: RecordingServerId } {
  const recordingServerId = randomUUID() as RecordingServerId;
  const established = { siteId: fixture.site, name, sealingPublicKey: 'AAAA' };
  return {
    recordingServerId,
    events: [
      fixture.event('site', { type: 'SiteEstablished', data: established }),
      fixture.event(`recording-server-${recordingServerId}`, {
        type: 'RecordingServerRegistered',
        data: { recordingServerId, name: `${name} recorder` },
      }),
      ...cameras.map(camera => {
        const hardwareId = randomUUID() as HardwareId;
        return fixture.event(`hardware-${hardwareId}`, {
          type: 'HardwareAdded',
          data: {
            ...{
              hardwareId,
              name: camera.name,
              driver: 'rtsp',
              address: 'rtsp://10.0.0.1/',
              transport: 'AUTO',
            },
            ...{ sealedCredentials: null, recordingServerId },
            devices: [{ deviceId: camera.id, type: 'CAMERA', name: camera.name }],
          },
        });
      }),
    ],
  };
}
