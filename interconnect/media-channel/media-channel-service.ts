import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { type CameraControl, CameraRefusedError, MediaRefusedError, type MediaSource } from '@holdfast/core';
import { MediaChannelClient, type WireChannelFrame } from '@holdfast/protos';
import type { RecordingServerId, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { siteOfCertificate } from '../certificates/site-of-certificate.js';
import { frameStreamOfServer } from './grpc-frame-stream.js';
import type { HelloFrame } from './media-frame.js';
import { MediaMultiplexer } from './media-multiplexer.js';

/** A site has a handful; the bound keeps one site from filling the parent's memory with sessions. */
const RECORDING_SERVERS_PER_SITE_MAX = 64;

/** A recording server of another site that can be asked for media now. */
export interface AttachedRecordingServer {
  readonly siteId: SiteId;
  readonly recordingServerId: RecordingServerId;
}

/** The side that is dialled. Add `definition` and `implementation` to a `GrpcServer`. */
export interface MediaChannelService extends AsyncDisposable {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  /**
   * The recording server at the other end, whether it is attached now or later. While it is not, or when its link is lost,
   * iterating throws `MediaRefusedError` with `NOT_CONNECTED`. The site is part of the name, so that no site can pass
   * for another's recording server.
   */
  mediaSourceOf(of: AttachedRecordingServer): MediaSource;
  /** As `mediaSourceOf`, for its cameras: refuses with `NOT_CONNECTED` while it is not attached. */
  cameraControlOf(of: AttachedRecordingServer): CameraControl;
  attached(): readonly AttachedRecordingServer[];
  /** Both return what ends the listening. */
  onAttached(listener: (server: AttachedRecordingServer) => void): () => void;
  onDetached(listener: (server: AttachedRecordingServer) => void): () => void;
}

interface Session {
  readonly server: AttachedRecordingServer;
  readonly multiplexer: MediaMultiplexer;
}

export function createMediaChannelService(options: {
  readonly siteId: SiteId;
  /** Name and version, for the peer's log. */
  readonly software: string;
  /** Milliseconds of a clock that never steps. */
  readonly monotonicMs: () => number;
  readonly logger: Logger;
}): MediaChannelService {
  const sessions = new SessionRegister(options.logger);
  const attach = (call: ServerDuplexStream<WireChannelFrame, WireChannelFrame>) => {
    const certifiedSite = siteOfCertificate(call.getAuthContext().sslPeerCertificate);
    const multiplexer = new MediaMultiplexer({
      stream: frameStreamOfServer(call),
      role: 'ANSWERED',
      hello: { siteId: options.siteId, recordingServerId: null, software: options.software },
      refusePeer: peer => refusalOf(peer, certifiedSite, sessions),
      source: null,
      monotonicMs: options.monotonicMs,
      logger: options.logger,
    });
    void sessions.keep(multiplexer, call.getPeer());
  };
  return {
    definition: MediaChannelClient.service,
    implementation: { Attach: attach },
    mediaSourceOf: of => ({
      open: (request, openOptions) => {
        const session = sessions.find(of);
        if (session !== undefined) return session.multiplexer.open(request, openOptions);
        return refusing(notAttached(of));
      },
    }),
    cameraControlOf: of => ({
      control: async (deviceId, request, controlOptions) => {
        const session = sessions.find(of);
        if (session !== undefined) return session.multiplexer.control(deviceId, request, controlOptions);
        throw new CameraRefusedError('NOT_CONNECTED', notAttached(of));
      },
      speak: async (deviceId, controlOptions) => {
        const session = sessions.find(of);
        if (session !== undefined) return session.multiplexer.speak(deviceId, controlOptions);
        throw new CameraRefusedError('NOT_CONNECTED', notAttached(of));
      },
    }),
    attached: () => sessions.list(),
    onAttached: listener => sessions.listen('attached', listener),
    onDetached: listener => sessions.listen('detached', listener),
    [Symbol.asyncDispose]: () => sessions.closeAll(),
  };
}

function refusalOf(peer: HelloFrame, certifiedSite: SiteId | null, sessions: SessionRegister): string | null {
  if (peer.siteId !== certifiedSite) {
    return `the certificate is of site ${certifiedSite ?? 'none'}, not of ${peer.siteId}`;
  }
  if (peer.recordingServerId === null) return 'hello names no recording server';
  const others = sessions
    .list()
    .filter(one => one.siteId === peer.siteId && one.recordingServerId !== peer.recordingServerId);
  if (others.length < RECORDING_SERVERS_PER_SITE_MAX) return null;
  return `${RECORDING_SERVERS_PER_SITE_MAX} recording servers of the site are attached, which is the most`;
}

class SessionRegister {
  readonly #logger: Logger;
  readonly #attached = new Map<string, Session>();
  /** Also those that have not said Hello yet. */
  readonly #open = new Set<MediaMultiplexer>();
  readonly #listeners = {
    attached: new Set<(server: AttachedRecordingServer) => void>(),
    detached: new Set<(server: AttachedRecordingServer) => void>(),
  };

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  find(of: AttachedRecordingServer): Session | undefined {
    return this.#attached.get(keyOf(of));
  }

  list(): readonly AttachedRecordingServer[] {
    return [...this.#attached.values()].map(session => session.server);
  }

  listen(kind: 'attached' | 'detached', listener: (server: AttachedRecordingServer) => void): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  /** From the first byte to the last. */
  async keep(multiplexer: MediaMultiplexer, address: string): Promise<void> {
    this.#open.add(multiplexer);
    const peer = await multiplexer.ready;
    if (peer !== null && peer.recordingServerId !== null) {
      const server = { siteId: peer.siteId, recordingServerId: peer.recordingServerId };
      this.#enter({ server, multiplexer });
      this.#logger.info({ ...server, address, software: peer.software }, 'recording server attached');
      const end = await multiplexer.ended;
      this.#leave({ server, multiplexer });
      this.#logger.info({ ...server, address, end }, 'recording server detached');
    } else {
      const end = await multiplexer.ended;
      this.#logger.warn({ address, end }, 'media channel refused or lost before hello');
    }
    this.#open.delete(multiplexer);
  }

  async closeAll(): Promise<void> {
    const open = [...this.#open];
    for (const multiplexer of open) multiplexer.close();
    await Promise.all(open.map(multiplexer => multiplexer.ended));
  }

  /** A recording server that dials again has lost the old stream, whether this side knows it yet or not. */
  #enter(session: Session): void {
    const older = this.#attached.get(keyOf(session.server));
    this.#attached.set(keyOf(session.server), session);
    older?.multiplexer.close();
    for (const listener of this.#listeners.attached) listener(session.server);
  }

  #leave({ server, multiplexer }: Session): void {
    if (this.#attached.get(keyOf(server))?.multiplexer !== multiplexer) return;
    this.#attached.delete(keyOf(server));
    for (const listener of this.#listeners.detached) listener(server);
  }
}

function keyOf({ siteId, recordingServerId }: AttachedRecordingServer): string {
  return `${siteId}/${recordingServerId}`;
}

function notAttached({ siteId, recordingServerId }: AttachedRecordingServer): string {
  return `recording server ${recordingServerId} of site ${siteId} is not attached: its link may be down`;
}

function refusing(message: string): AsyncIterable<never> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.reject(new MediaRefusedError('NOT_CONNECTED', message)),
    }),
  };
}
