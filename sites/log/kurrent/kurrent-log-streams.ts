import { decodeRecordedEvent, EnvelopeError, type LogPlace, type RecordedEvent } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from '../sha256.js';
import type { KurrentConnection, StoredEvent } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';

export function logNameOf(site: SiteId): string {
  return `holdfast-${site}`;
}

export function writersStreamOf(site: SiteId): string {
  return `${logNameOf(site)}-writers`;
}

/** Which streams hold the epochs, since the log was reopened; its last event counts. */
export function catalogueStreamOf(site: SiteId): string {
  return `${logNameOf(site)}-epochs`;
}

/** The streams of all epochs, oldest first. Throws `KurrentLogError` and what the client throws. */
export async function readCatalogue(connection: KurrentConnection, site: SiteId): Promise<readonly string[]> {
  const stream = catalogueStreamOf(site);
  const last = await connection.lastNote(stream);
  if (last === null) return [`${logNameOf(site)}-1`];
  const { streams } = (last.data ?? {}) as { readonly streams?: unknown };
  if (Array.isArray(streams) && streams.length > 0 && streams.every(name => typeof name === 'string')) {
    return streams;
  }
  throw new KurrentLogError('DAMAGED', stream, 'its last event names no streams');
}

/** The streams that one site's log is on the server. */
export class KurrentLogStreams {
  readonly site: SiteId;
  /** The streams of all epochs, oldest first. */
  readonly epochs: readonly string[];
  readonly #connection: KurrentConnection;

  constructor(connection: KurrentConnection, site: SiteId, epochs: readonly string[]) {
    this.#connection = connection;
    this.site = site;
    this.epochs = epochs;
  }

  /** The log itself: the event at position n has revision n − 1. */
  epoch(epoch: number): string {
    return this.epochs[epoch - 1] ?? `${logNameOf(this.site)}-${epoch}`;
  }

  /** Signed checkpoints of every epoch. */
  get checkpoints(): string {
    return `${logNameOf(this.site)}-checkpoints`;
  }

  /** Who has opened the log for writing. The last one writes. */
  get writers(): string {
    return writersStreamOf(this.site);
  }

  /**
   * The next events of one epoch, fewer than `count` when they are large; none when there are no more. Each is checked to be
   * what its place says it is. Throws `KurrentLogError` naming the position of what is not.
   */
  async page(
    after: LogPlace,
    limits: { readonly count: number; readonly bytesMax: number },
  ): Promise<readonly RecordedEvent[]> {
    const stream = this.epoch(after.epoch);
    const stored = await this.#connection.read(stream, { fromRevision: after.position, ...limits });
    return stored.map((event, index) =>
      this.#recorded(event, { epoch: after.epoch, position: after.position + index + 1 }),
    );
  }

  #recorded(stored: StoredEvent, place: LogPlace): RecordedEvent {
    const damaged = (detail: string, cause?: unknown) =>
      new KurrentLogError('DAMAGED', this.epoch(place.epoch), `position ${place.position}: ${detail}`, {
        cause,
      });
    if (stored.revision !== place.position - 1) {
      throw damaged(`the event is missing; the next one has revision ${stored.revision}`);
    }
    let event: RecordedEvent;
    try {
      event = decodeRecordedEvent(stored.metadata, stored.data, sha256);
    } catch (cause) {
      throw cause instanceof EnvelopeError ? damaged(cause.message, cause) : cause;
    }
    const { site, epoch, position, id, type } = event;
    if (site !== this.site) throw damaged(`it is an event of ${site}`);
    if (epoch !== place.epoch || position !== place.position) {
      throw damaged(`its header says epoch ${epoch}, position ${position}`);
    }
    if (id !== stored.id || type !== stored.type) {
      throw damaged(`its header says ${type} ${id}, it is stored as ${stored.type} ${stored.id}`);
    }
    return event;
  }
}

/** An event of a log as the server keeps it: the header is its metadata. */
export function storedEventOf({ id, type, position, header, data }: RecordedEvent): StoredEvent {
  return { id, type, revision: position - 1, metadata: header, data };
}
