import {
  type CameraControl,
  CameraRefusedError,
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
import { heldInMediaDatabase, isRefusal, type MediaDirectory, type MediaRefusal } from './media-directory.js';

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
  return {
    async control(deviceId, request, controlOptions) {
      const place = await directory.placeOf(deviceId);
      if (isRefusal(place)) throw new CameraRefusedError('NO_SUCH_DEVICE', place.message);
      const { ownSite, recordingServers, channels } = options;
      const control =
        place.siteId === ownSite
          ? recordingServers.get(place.recordingServerId)
          : channels.cameraControlOf(place);
      if (control) return control.control(deviceId, request, controlOptions);
      throw new CameraRefusedError('NOT_CONNECTED', notConnected(place).message);
    },
  };
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
    const holder = place.siteId === ownSite ? recordingServers.get(place.recordingServerId) : retrieved;
    return {
      held: holder ? renamed(heldInMediaDatabase(holder.database, place.owner), place.owner) : null,
      remote: place.siteId === ownSite || !this.#isAttached(place) ? null : this.#recordingsAt(place),
    };
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

  #isAttached({ recordingServerId }: Place): boolean {
    return this.#options.channels.attached().some(server => server.recordingServerId === recordingServerId);
  }

  /** A device may have been moved: its recordings then lie at several recording servers, one after the other. */
  #recordingsAt(place: Place): MediaSource {
    const { channels } = this.#options;
    const servers = (window: TimeSpan) => this.#serversWith(place, window);
    return {
      async *open(request, openOptions) {
        if (request.kind !== 'PLAYBACK')
          throw new MediaRefusedError('NOT_ALLOWED', 'expected a request for playback');
        for (const recordingServerId of await servers(request)) {
          const source = channels.mediaSourceOf({ siteId: place.siteId, recordingServerId });
          yield* source.open({ ...request, deviceId: place.owner }, openOptions);
        }
      },
    };
  }

  async #serversWith(place: Place, { fromMs, toMs }: TimeSpan): Promise<readonly RecordingServerId[]> {
    const rows = await this.#options.sql<{ recordingServerId: RecordingServerId }[]>`
      select recording_server_id from recording_segment
      where site_id = ${place.siteId} and device_id = ${place.owner} and lost_because is null
        and from_ms < ${toMs} and to_ms > ${fromMs}
      group by recording_server_id order by min(from_ms)`;
    const servers = rows.map(row => row.recordingServerId);
    // What is being recorded is not sealed, and so not in the log yet.
    return servers.includes(place.recordingServerId) ? servers : [...servers, place.recordingServerId];
  }
}

function renamed(
  held: ReturnType<typeof heldInMediaDatabase>,
  owner: DeviceId,
): ReturnType<typeof heldInMediaDatabase> {
  const open = (request: MediaRequest, options: Parameters<MediaSource['open']>[1]) =>
    held.source.open({ ...request, deviceId: owner }, options);
  return { ...held, source: { open } };
}

function notConnected({ siteId, recordingServerId }: Place): MediaRefusal {
  return {
    refused: 'NOT_CONNECTED',
    message: `recording server ${recordingServerId} of site ${siteId} is not connected: its link may be down`,
  };
}
