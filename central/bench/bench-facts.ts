import { randomBytes } from 'node:crypto';
import { type NewEvent, newEvent, type SiteLog } from '@holdfast/core';
import {
  type AlarmId,
  currentVersion,
  type DeviceId,
  type EventId,
  type HardwareId,
  type HoldfastEvent,
  type RecordingServerId,
  type SealedSegment,
  type SegmentId,
  type SiteId,
} from '@holdfast/schema';
import { newUuid } from '@holdfast/sites';

const CAMERAS = 50;
const SEGMENT_MS = 64_000;
/** Facts in an append, and appends under way: as fast as a log takes them. */
const APPEND_EVENTS = 500;
const APPENDS_UNDER_WAY = 4;

export interface BenchFact {
  readonly stream: string;
  readonly event: NewEvent;
}

/**
 * Facts as a site writes them all day: minutes of recordings, each with ids and a digest of its own (random, so that they
 * pack as badly as real ones do), and alarms.
 */
export class BenchFacts {
  readonly #recordingServerId = newUuid<RecordingServerId>();
  readonly #actor = `server:${this.#recordingServerId}`;
  readonly #deviceIds: readonly DeviceId[];
  #count = 0;

  constructor(cameraCount = CAMERAS) {
    this.#deviceIds = Array.from({ length: cameraCount }, () => newUuid<DeviceId>());
  }

  recording(): BenchFact {
    this.#count += 1;
    const deviceId = this.#deviceIds[this.#count % this.#deviceIds.length]!;
    const toMs = Date.now();
    const segment: SealedSegment = {
      ...{ segmentId: newUuid<SegmentId>(), fromMs: toMs - SEGMENT_MS, toMs },
      ...{ fragmentCount: 64, byteLength: 16_000_000 + (this.#count % 1_000_000) },
      digest: randomBytes(32).toString('hex'),
      timeSource: 'SENDER_REPORT',
      beganBecause: 'RECORDING_CONTINUED',
      endedBecause: 'RECORDING_CONTINUED',
    };
    const data = { deviceId, recordingServerId: this.#recordingServerId, segments: [segment], gaps: [] };
    const fact: HoldfastEvent = { type: 'RecordingSealed', data };
    return { stream: `recording-${deviceId}`, event: this.#eventOf(fact) };
  }

  /** What a site says of itself before anything else: who it is, what records, which cameras there are. */
  beginning(siteId: SiteId, name: string): readonly BenchFact[] {
    const recordingServerId = this.#recordingServerId;
    const established = { siteId, name, sealingPublicKey: 'AAAA' };
    const facts: readonly (readonly [stream: string, HoldfastEvent])[] = [
      ['site', { type: 'SiteEstablished', data: established }],
      [
        `recording-server-${recordingServerId}`,
        { type: 'RecordingServerRegistered', data: { recordingServerId, name: 'Recorder' } },
      ],
      ...this.#deviceIds.map((deviceId, index) => {
        const hardwareId = newUuid<HardwareId>();
        const where = {
          driver: 'rtsp',
          transport: 'AUTO',
          address: `rtsp://192.0.2.${index}/`,
          sealedCredentials: null,
        } as const;
        const devices = [{ deviceId, type: 'CAMERA' as const, name: `Camera ${index}` }];
        const data = { hardwareId, name: `Camera ${index}`, ...where, recordingServerId, devices };
        return [`hardware-${hardwareId}`, { type: 'HardwareAdded' as const, data }] as const;
      }),
    ];
    return facts.map(([stream, fact]) => ({ stream, event: this.#eventOf(fact) }));
  }

  /** Its raising time is now; its message tells one from another. */
  alarm(message: string): BenchFact {
    this.#count += 1;
    const alarmId = newUuid<AlarmId>();
    const data = {
      ...{ alarmId, localNumber: this.#count, name: 'Door forced', message, priority: 2 },
      ...{ sourceDeviceId: null, sourceName: '', raisedAtMs: Date.now() },
    };
    const fact: HoldfastEvent = { type: 'AlarmRaised', data };
    return { stream: `alarm-${alarmId}`, event: this.#eventOf(fact) };
  }

  /** Checked against its schema each hundredth time: to check them all would take longer than what is measured. */
  #eventOf(fact: HoldfastEvent): NewEvent {
    const { type } = fact;
    const common = {
      ...{ id: newUuid<EventId>(), actor: this.#actor, occurredAtMs: Date.now() },
      clockQuality: 'NTP' as const,
    };
    if (this.#count % 100 === 1) return newEvent(fact, common);
    const data = Buffer.from(JSON.stringify(fact.data));
    return { ...common, type, version: currentVersion(type), data, causationId: null, correlationId: null };
  }
}

/** Appends so many facts, half of them alarms: 370 bytes of JSON on average. */
export async function fillLog(log: SiteLog, eventCount: number): Promise<void> {
  const facts = new BenchFacts();
  let left = eventCount;
  const write = async () => {
    while (left > 0) {
      const length = Math.min(APPEND_EVENTS, left);
      left -= length;
      const batch = Array.from({ length }, (_, index) =>
        index % 2 === 0 ? facts.alarm('The door was opened without a card.') : facts.recording(),
      );
      await appendFacts(log, batch);
    }
  };
  await Promise.all(Array.from({ length: APPENDS_UNDER_WAY }, write));
}

export async function appendFacts(log: SiteLog, facts: readonly BenchFact[]): Promise<void> {
  const outcome = await log.append(
    facts.map(({ stream, event }) => ({ stream, expected: 'any', events: [event] })),
  );
  if (!outcome.appended) throw new Error(`the log refused: ${outcome.refusal.code}`);
}
