import {
  type CameraControl,
  CameraRefusedError,
  type LinkState,
  type MediaItem,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
  type TimeSpan,
} from '@holdfast/core';
import type { MediaChannelService } from '@holdfast/interconnect';
import type { DeviceId, RecordingServerId, SiteId } from '@holdfast/schema';
import type { RecordingServer, SnapshotMaker } from '@holdfast/sites';
import type { Sql } from '../postgres/sql.js';
import { type DeviceRecordingRow, unsealedRunsOf } from '../read-models/recording/recorded-device.js';
import {
  type AwayPart,
  type HeldRecordings,
  heldInMediaDatabases,
  isRefusal,
  joinPieces,
  type MediaDirectory,
  type MediaRefusal,
  notConnected,
  type Piece,
} from './media-directory.js';

/** A GOP that is going on is not on the disk yet; the newest picture is looked for this far back. */
const NEWEST_PICTURE_BACK_MS = 3000;

export interface CentralDevices {
  readonly sql: Sql;
  readonly ownSite: SiteId;
  readonly recordingServers: ReadonlyMap<RecordingServerId, RecordingServer>;
  /** Of this central: holds what is retrieved. */
  readonly retrieved: RecordingServer;
  readonly channels: MediaChannelService;
}

export interface CentralMediaDirectoryOptions extends CentralDevices {
  readonly snapshots: (read: ReadPictures) => SnapshotMaker;
  readonly now: () => number;
}

type ReadPictures = ConstructorParameters<typeof SnapshotMaker>[0]['read'];

interface Place {
  readonly siteId: SiteId;
  readonly recordingServerId: RecordingServerId;
  /** The device that owns the recording: a microphone's is that of the camera on the same hardware. */
  readonly owner: DeviceId;
}

/** Finds the media of any device: at a recording server of this central, or over the media channel of its site. */
export function createCentralMediaDirectory(options: CentralMediaDirectoryOptions): MediaDirectory {
  const directory = new CentralMediaDirectory(options);
  const snapshots = options.snapshots(window => directory.pictures(window));
  return {
    liveSource: deviceId => directory.liveSource(deviceId),
    recordingSources: deviceId => directory.recordingSources(deviceId),
    async snapshot(deviceId, atMs, signal) {
      const place = await directory.placeOf(deviceId);
      if (isRefusal(place)) return place;
      const snapshot = await snapshots.make({
        deviceId: place.owner,
        atMs: atMs ?? options.now() - NEWEST_PICTURE_BACK_MS,
        signal,
      });
      if (snapshot.made) return { jpeg: snapshot.jpeg, atMs: snapshot.atMs };
      const { code, message } = snapshot.refusal;
      const refused = { NO_FFMPEG: 'NO_DECODER', NOT_DECODABLE: 'NO_DECODER', BUSY: 'SOURCE_BUSY' } as const;
      return { refused: code === 'NO_RECORDING' ? 'NOTHING_RECORDED' : refused[code], message };
    },
  };
}

/** Has any camera told something: by a recording server of this central, or over the media channel of its site. */
export function createCentralCameraControl(options: CentralDevices): CameraControl {
  const directory = new CentralMediaDirectory(options);
  const controlAt = async (deviceId: DeviceId): Promise<CameraControl> => {
    const place = await directory.placeOf(deviceId);
    if (isRefusal(place)) throw new CameraRefusedError('NO_SUCH_DEVICE', place.message);
    const { ownSite, recordingServers, channels } = options;
    const control =
      place.siteId === ownSite
        ? recordingServers.get(place.recordingServerId)
        : channels.cameraControlOf(place);
    if (control) return control;
    throw new CameraRefusedError('NOT_CONNECTED', notConnected(place).message);
  };
  return {
    control: async (deviceId, request, controlOptions) =>
      (await controlAt(deviceId)).control(deviceId, request, controlOptions),
    speak: async (deviceId, controlOptions) => (await controlAt(deviceId)).speak(deviceId, controlOptions),
  };
}

/** As `ApiPorts.awayAt`. Media goes one hop: of a site below a child nothing is said. */
export function recordingServersAway(
  site: SiteId,
  { ownSite, recordingServers, channels }: Pick<CentralDevices, 'ownSite' | 'recordingServers' | 'channels'>,
  link: LinkState,
): (recordingServerId: RecordingServerId) => boolean {
  if (site === ownSite) return id => !recordingServers.has(id);
  if (link !== 'UP') return () => false;
  const attached = channels.attached().filter(server => server.siteId === site);
  const ids = new Set(attached.map(server => server.recordingServerId));
  return id => !ids.has(id);
}

class CentralMediaDirectory {
  readonly #options: CentralDevices;

  constructor(options: CentralDevices) {
    this.#options = options;
  }

  async liveSource(deviceId: DeviceId): Promise<MediaSource | MediaRefusal> {
    const place = await this.placeOf(deviceId);
    if (isRefusal(place)) return place;
    const source = this.#sourceAt(place);
    return source ?? notConnected(place);
  }

  async recordingSources(deviceId: DeviceId) {
    const place = await this.placeOf(deviceId);
    if (isRefusal(place)) return place;
    const { ownSite, recordingServers, retrieved } = this.#options;
    const { owner, siteId } = place;
    const isOwn = siteId === ownSite;
    // All of them: its hardware may have been moved, once or several times.
    const holders = isOwn ? [...recordingServers.values()] : [retrieved];
    const held = heldInMediaDatabases(
      holders.map(({ database }) => database),
      owner,
    );
    // Which of them can be asked is settled here: what an answer says that it lacks is what it lacks.
    const reachable: ReadonlySet<RecordingServerId> = isOwn
      ? new Set(recordingServers.keys())
      : this.#attachedTo(siteId);
    return {
      held: renamed(held, owner),
      remote: isOwn || reachable.size === 0 ? null : this.#recordingsAt(place, reachable),
      away: (span: TimeSpan) => this.#awayParts(place, reachable, span),
    };
  }

  async #awayParts(
    place: Place,
    reachable: ReadonlySet<RecordingServerId>,
    span: TimeSpan,
  ): Promise<readonly AwayPart[]> {
    const recorded = await this.#recordedPieces(place, span);
    return recorded.flatMap(({ from, fromMs, toMs }) =>
      reachable.has(from)
        ? []
        : {
            recordingServerId: from,
            fromMs: Math.max(fromMs, span.fromMs),
            toMs: Math.min(toMs, span.toMs),
          },
    );
  }

  /** For snapshots: what is held here, else what the site has. */
  async *pictures(window: Parameters<ReadPictures>[0]): AsyncGenerator<MediaItem> {
    const { deviceId, fromMs, toMs, signal } = window;
    const sources = await this.recordingSources(deviceId);
    if (isRefusal(sources)) return;
    const held = await sources.held?.spans({ fromMs, toMs });
    const source = held?.some(span => span.toMs >= toMs - 1) ? sources.held?.source : sources.remote;
    const chosen = source ?? sources.held?.source;
    if (chosen)
      yield* chosen.open({ kind: 'PLAYBACK', deviceId, fromMs, toMs }, { signal, priority: 'REQUEST' });
  }

  async placeOf(deviceId: DeviceId): Promise<Place | MediaRefusal> {
    const [row] = await this.#options.sql<Place[]>`
      select hardware.site_id, hardware.recording_server_id, coalesce(owner.id, device.id) as owner
      from device
      join hardware on hardware.id = device.hardware_id
      left join device owner
        on owner.hardware_id = device.hardware_id and owner.type = 'CAMERA' and device.type = 'MICROPHONE'
      where device.id = ${deviceId}
      order by owner.id limit 1`;
    return row ?? { refused: 'NO_SUCH_DEVICE', message: `no device ${deviceId} is known` };
  }

  #sourceAt(place: Place): MediaSource | null {
    const { ownSite, recordingServers, channels } = this.#options;
    if (place.siteId === ownSite) return recordingServers.get(place.recordingServerId) ?? null;
    return this.#isAttached(place) ? channels.mediaSourceOf(place) : null;
  }

  #isAttached({ siteId, recordingServerId }: Place): boolean {
    return this.#attachedTo(siteId).has(recordingServerId);
  }

  #attachedTo(siteId: SiteId): ReadonlySet<RecordingServerId> {
    const attached = this.#options.channels.attached().filter(server => server.siteId === siteId);
    return new Set(attached.map(server => server.recordingServerId));
  }

  /**
   * A device may have been moved: its recordings then lie at several recording servers, one after the other, and back again. What is
   * at one that is not reachable is left out, as long as there is anything: whoever asks is told by `away`.
   */
  #recordingsAt(place: Place, reachable: ReadonlySet<RecordingServerId>): MediaSource {
    const { channels } = this.#options;
    const { siteId, owner } = place;
    const directory = this;
    return {
      async *open(request, openOptions) {
        if (request.kind !== 'PLAYBACK')
          throw new MediaRefusedError('NOT_ALLOWED', 'expected a request for playback');
        let given = false;
        let missing: RecordingServerId | null = null;
        for (const { from, fromMs, toMs } of await directory.#turnsOf(place, request)) {
          if (!reachable.has(from)) {
            missing ??= from;
            continue;
          }
          const source = channels.mediaSourceOf({ siteId, recordingServerId: from });
          for await (const item of source.open({ ...request, deviceId: owner, fromMs, toMs }, openOptions)) {
            given = true;
            yield item;
          }
        }
        if (given || missing === null) return;
        const { refused, message } = notConnected({ recordingServerId: missing });
        throw new MediaRefusedError(refused, message);
      },
    };
  }

  /** Which recording server is to be asked for which part of a span: together all of it, nothing twice. */
  async #turnsOf(place: Place, { fromMs, toMs }: TimeSpan): Promise<readonly Piece<RecordingServerId>[]> {
    const known = await this.#recordedPieces(place, { fromMs, toMs });
    // What is being recorded may not have been told of yet: it comes behind all that was.
    const knownToMs = Math.max(fromMs, ...known.map(piece => piece.toMs));
    const now = { from: place.recordingServerId, fromMs: knownToMs, toMs };
    const pieces = joinPieces(knownToMs < toMs ? [...known, now] : known);
    const turns = pieces.filter((piece, index) => piece.from !== pieces[index - 1]?.from);
    return turns.map(({ from, ...piece }, index) => ({
      from,
      fromMs: index === 0 ? fromMs : Math.max(piece.fromMs, fromMs),
      toMs: Math.min(turns[index + 1]?.fromMs ?? toMs, toMs),
    }));
  }

  /** What the site's log says is recorded of a span, sealed or not, and which of its recording servers has it; in order of time. */
  async #recordedPieces(
    { siteId, owner }: Place,
    { fromMs, toMs }: TimeSpan,
  ): Promise<readonly Piece<RecordingServerId>[]> {
    const { sql } = this.#options;
    const [sealed, [recording]] = await Promise.all([
      sql<Piece<RecordingServerId>[]>`
        select recording_server_id as "from", from_ms, to_ms from recording_span
        where site_id = ${siteId} and device_id = ${owner} and state in ('SEALED', 'REDUCED')
          and from_ms < ${toMs} and to_ms > ${fromMs}`,
      sql<Pick<DeviceRecordingRow, 'unsealedRuns'>[]>`
        select unsealed_runs from device_recording where site_id = ${siteId} and device_id = ${owner}`,
    ]);
    const unsealed = unsealedRunsOf(recording ?? null)
      .map(run => ({ from: run.recordingServerId, fromMs: run.fromMs, toMs: run.toMs ?? toMs }))
      .filter(run => run.fromMs < toMs && run.toMs > fromMs);
    return joinPieces([...sealed, ...unsealed]);
  }
}

function renamed(held: HeldRecordings, owner: DeviceId): HeldRecordings {
  const open = (request: MediaRequest, options: Parameters<MediaSource['open']>[1]) =>
    held.source.open({ ...request, deviceId: owner }, options);
  return { ...held, source: { open } };
}
