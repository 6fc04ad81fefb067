import type { EventId, SiteId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { EnvelopeError, type EnvelopeFailure } from './envelope-error.js';
import type { ClockQuality, RecordedEvent } from './site-log.js';
import { readUuid, UUID_BYTES, writeUuid } from './uuid-bytes.js';

/** Everything that the header says: a recorded event without its bytes. */
export type EventHeader = Omit<RecordedEvent, 'data' | 'header' | 'leafHash'>;

/** The layout of `ENVELOPE.md`. Another layout gets another number; this one is never changed. */
export const ENVELOPE_FORMAT = 1;
/** Where the fixed part holds what a log assigns. Public, so that a writer can fill them into an encoded header. */
export const headerOffsets = {
  format: 0,
  flags: 1,
  version: 2,
  epoch: 4,
  position: 8,
  site: 16,
  id: 32,
  revision: 48,
  recordedAt: 56,
  occurredAtMs: 64,
  clockQuality: 72,
  stream: 73,
} as const;
/** Characters (Unicode code points) in a stream, a type or an actor. */
export const HEADER_TEXT_CHARACTERS_MAX = 200;
/** Bytes in a header: 73 fixed, three texts of at most 2 + 200 × 4, two optional ids. */
export const HEADER_BYTES_MAX =
  headerOffsets.stream + 3 * (2 + HEADER_TEXT_CHARACTERS_MAX * 4) + 2 * UUID_BYTES;
/** As before, with three texts of one byte and no optional id. */
export const HEADER_BYTES_MIN = headerOffsets.stream + 3 * (2 + 1);
/** Bytes of data in one event: larger things (pictures, segments) are referred to by their SHA-256. */
export const EVENT_DATA_BYTES_MAX = 256 * 1024;

const FLAG_CAUSATION = 0b01;
const FLAG_CORRELATION = 0b10;
const UINT16_MAX = 0xffff;
const UINT32_MAX = 0xffff_ffff;
const UINT32_RANGE = 0x1_0000_0000;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;
/** Index = the byte in the header. */
const clockQualities: readonly ClockQuality[] = ['UNKNOWN', 'RTC', 'NTP', 'GPS'];
/** RFC 6962 §2.1: a leaf is hashed behind 0x00, an inner node behind 0x01, so neither passes for the other. */
const LEAF_PREFIX = Uint8Array.of(0x00);

const utf8Encoder = new TextEncoder();
// Both options keep decoding a bijection: malformed bytes are refused, and a leading U+FEFF is a character.
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Texts that were read before, and found right: types, actors and most streams come again and again. A power of two. */
const KNOWN_TEXTS = 1024;
const KNOWN_TEXT_BYTES_MAX = 64;
/** By the last bits of the hash of their bytes. */
const knownTexts: { readonly bytes: Uint8Array; readonly text: string }[] = [];
const lastHashes = new Int32Array(KNOWN_TEXTS);

/** SHA-256(0x00 ‖ header ‖ SHA-256(data)): the RFC 6962 leaf hash of the event, 32 bytes. */
export function leafHashOf(header: Uint8Array, data: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(LEAF_PREFIX, header, sha256(data));
}

/**
 * The header's bytes. Throws `EnvelopeError` when a field cannot be written exactly. A writer of many headers may bring its
 * own memory; every byte of it is written.
 */
export function encodeHeader(
  fields: EventHeader,
  allocate: (byteLength: number) => Uint8Array = byteLength => new Uint8Array(byteLength),
): Uint8Array {
  const texts = [
    preparedText(fields.stream, 'stream'),
    preparedText(fields.type, 'type'),
    preparedText(fields.actor, 'actor'),
  ];
  let byteLength: number = headerOffsets.stream;
  for (const text of texts) byteLength += 2 + text.length;
  if (fields.causationId !== null) byteLength += UUID_BYTES;
  if (fields.correlationId !== null) byteLength += UUID_BYTES;
  const bytes = allocate(byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, byteLength);
  bytes[headerOffsets.format] = ENVELOPE_FORMAT;
  bytes[headerOffsets.flags] =
    (fields.causationId === null ? 0 : FLAG_CAUSATION) |
    (fields.correlationId === null ? 0 : FLAG_CORRELATION);
  view.setUint16(headerOffsets.version, checkedInteger(fields.version, 1, UINT16_MAX, 'version'));
  view.setUint32(headerOffsets.epoch, checkedInteger(fields.epoch, 1, UINT32_MAX, 'epoch'));
  writeUint64(view, headerOffsets.position, fields.position, 1, 'position');
  writeId(fields.site, bytes, headerOffsets.site, 'site');
  writeId(fields.id, bytes, headerOffsets.id, 'id');
  writeUint64(view, headerOffsets.revision, fields.revision, 0, 'revision');
  if (fields.recordedAt < 0n || fields.recordedAt > UINT64_MAX) {
    throw new EnvelopeError('OUT_OF_RANGE', 'recordedAt', `${fields.recordedAt} is not within 0..2^64-1`);
  }
  view.setBigUint64(headerOffsets.recordedAt, fields.recordedAt);
  writeUint64(view, headerOffsets.occurredAtMs, fields.occurredAtMs, 0, 'occurredAtMs');
  bytes[headerOffsets.clockQuality] = clockQualityCode(fields.clockQuality);
  let offset: number = headerOffsets.stream;
  for (const text of texts) {
    view.setUint16(offset, text.length);
    writeText(text, bytes, offset + 2);
    offset += 2 + text.length;
  }
  if (fields.causationId !== null) {
    writeId(fields.causationId, bytes, offset, 'causationId');
    offset += UUID_BYTES;
  }
  if (fields.correlationId !== null) writeId(fields.correlationId, bytes, offset, 'correlationId');
  return bytes;
}

/**
 * Reads a header strictly: every byte must be one that `encodeHeader` would have written there, so that
 * `encodeHeader(decodeHeader(bytes))` is `bytes`. Throws `EnvelopeError`.
 */
export function decodeHeader(header: Uint8Array): EventHeader {
  if (header.length < HEADER_BYTES_MIN) {
    throw malformed('TRUNCATED', 'header', header.length, `at least ${HEADER_BYTES_MIN} bytes are needed`);
  }
  const format = header[headerOffsets.format]!;
  if (format !== ENVELOPE_FORMAT) {
    throw malformed(
      'UNKNOWN_FORMAT',
      'format',
      0,
      `format ${format}, this software knows ${ENVELOPE_FORMAT}`,
    );
  }
  const flags = header[headerOffsets.flags]!;
  if ((flags & ~(FLAG_CAUSATION | FLAG_CORRELATION)) !== 0) {
    throw malformed(
      'UNKNOWN_FLAGS',
      'flags',
      headerOffsets.flags,
      `0x${flags.toString(16)}, only bits 0 and 1 exist`,
    );
  }
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const reader = new HeaderTail(header, view);
  const stream = reader.text('stream');
  const type = reader.text('type');
  const actor = reader.text('actor');
  const causationId = flags & FLAG_CAUSATION ? reader.id('causationId') : null;
  const correlationId = flags & FLAG_CORRELATION ? reader.id('correlationId') : null;
  reader.end();
  return {
    site: readSite(header),
    epoch: readAtLeast(view.getUint32(headerOffsets.epoch), 1, 'epoch'),
    position: readUint64(view, headerOffsets.position, 1, 'position'),
    id: readId(header, headerOffsets.id, 'id') as EventId,
    stream,
    revision: readUint64(view, headerOffsets.revision, 0, 'revision'),
    type,
    version: readAtLeast(view.getUint16(headerOffsets.version), 1, 'version'),
    recordedAt: view.getBigUint64(headerOffsets.recordedAt),
    occurredAtMs: readUint64(view, headerOffsets.occurredAtMs, 0, 'occurredAtMs'),
    clockQuality: readClockQuality(header[headerOffsets.clockQuality]!),
    actor,
    causationId,
    correlationId,
  };
}

/** The event that these bytes are, with its leaf hash computed from them. Throws `EnvelopeError`. */
export function decodeRecordedEvent(header: Uint8Array, data: Uint8Array, sha256: Sha256): RecordedEvent {
  if (data.length > EVENT_DATA_BYTES_MAX) {
    throw new EnvelopeError(
      'DATA_TOO_LARGE',
      'data',
      `${data.length} bytes, at most ${EVENT_DATA_BYTES_MAX}`,
    );
  }
  return { ...decodeHeader(header), header, data, leafHash: leafHashOf(header, data, sha256) };
}

/** Reads the part behind the fixed fields, where each length decides the next offset. */
class HeaderTail {
  readonly #header: Uint8Array;
  readonly #view: DataView;
  #offset: number = headerOffsets.stream;

  constructor(header: Uint8Array, view: DataView) {
    this.#header = header;
    this.#view = view;
  }

  text(field: string): string {
    this.#need(2, field);
    const byteLength = this.#view.getUint16(this.#offset);
    this.#offset += 2;
    this.#need(byteLength, field);
    const text = decodeText(this.#header, this.#offset, byteLength, field);
    this.#offset += byteLength;
    return text;
  }

  id(field: string): EventId {
    this.#need(UUID_BYTES, field);
    this.#offset += UUID_BYTES;
    return readId(this.#header, this.#offset - UUID_BYTES, field) as EventId;
  }

  end(): void {
    const surplus = this.#header.length - this.#offset;
    if (surplus > 0) throw malformed('TRAILING_BYTES', 'header', this.#offset, `${surplus} bytes too many`);
  }

  #need(byteLength: number, field: string): void {
    if (this.#offset + byteLength <= this.#header.length) return;
    const missing = this.#offset + byteLength - this.#header.length;
    throw malformed('TRUNCATED', field, this.#header.length, `${missing} bytes are missing`);
  }
}

/** The text itself while every character is one byte, which nearly every one in a header is, else its UTF-8. */
function preparedText(text: string, field: string): string | Uint8Array {
  const fault = faultOfText(text);
  if (fault !== null) throw new EnvelopeError('BAD_TEXT', field, fault);
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) > 0x7f) return utf8Encoder.encode(text);
  }
  return text;
}

function writeText(text: string | Uint8Array, target: Uint8Array, offset: number): void {
  if (typeof text !== 'string') {
    target.set(text, offset);
    return;
  }
  for (let index = 0; index < text.length; index += 1) target[offset + index] = text.charCodeAt(index);
}

function decodeText(header: Uint8Array, offset: number, byteLength: number, field: string): string {
  const hash = byteLength <= KNOWN_TEXT_BYTES_MAX ? textHash(header, offset, byteLength) : 0;
  const slot = hash & (KNOWN_TEXTS - 1);
  const known = knownTexts[slot];
  if (hash !== 0 && known !== undefined && isAt(known.bytes, header, offset, byteLength)) return known.text;
  let text: string;
  try {
    text = utf8Decoder.decode(header.subarray(offset, offset + byteLength));
  } catch (cause) {
    throw new EnvelopeError('BAD_TEXT', field, 'not UTF-8', { offset, cause });
  }
  const fault = faultOfText(text);
  if (fault !== null) throw malformed('BAD_TEXT', field, offset, fault);
  // What comes once, like the stream of an alarm, does not push out what comes again.
  if (hash !== 0 && lastHashes[slot] === hash) {
    knownTexts[slot] = { bytes: header.slice(offset, offset + byteLength), text };
  }
  lastHashes[slot] = hash;
  return text;
}

/** FNV-1a, 32 bits. */
function textHash(header: Uint8Array, offset: number, byteLength: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = offset; at < offset + byteLength; at += 1) hash = Math.imul(hash ^ header[at]!, 0x01000193);
  return hash;
}

function isAt(bytes: Uint8Array, header: Uint8Array, offset: number, byteLength: number): boolean {
  if (bytes.length !== byteLength) return false;
  for (let index = 0; index < byteLength; index += 1) {
    if (bytes[index] !== header[offset + index]) return false;
  }
  return true;
}

/** Null when the text may stand in a header. No control characters: databases refuse them, and logs are read aloud. */
function faultOfText(text: string): string | null {
  if (text.length === 0) return 'empty';
  if (text.length > HEADER_TEXT_CHARACTERS_MAX && [...text].length > HEADER_TEXT_CHARACTERS_MAX) {
    return `longer than ${HEADER_TEXT_CHARACTERS_MAX} characters`;
  }
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
      return `control character U+${code.toString(16).padStart(4, '0')}`;
  }
  return text.isWellFormed() ? null : 'a lone surrogate, which UTF-8 cannot hold';
}

function checkedInteger(value: number, min: number, max: number, field: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new EnvelopeError('OUT_OF_RANGE', field, `${value} is not an integer within ${min}..${max}`);
}

function writeUint64(view: DataView, offset: number, value: number, min: number, field: string): void {
  checkedInteger(value, min, Number.MAX_SAFE_INTEGER, field);
  view.setUint32(offset, Math.floor(value / UINT32_RANGE));
  view.setUint32(offset + 4, value % UINT32_RANGE);
}

function readUint64(view: DataView, offset: number, min: number, field: string): number {
  const value = view.getUint32(offset) * UINT32_RANGE + view.getUint32(offset + 4);
  if (!Number.isSafeInteger(value)) throw malformed('OUT_OF_RANGE', field, offset, 'above 2^53-1');
  return readAtLeast(value, min, field);
}

function readAtLeast(value: number, min: number, field: string): number {
  if (value < min) throw new EnvelopeError('OUT_OF_RANGE', field, `${value} is below ${min}`);
  return value;
}

function writeId(id: string, target: Uint8Array, offset: number, field: string): void {
  if (writeUuid(id, target, offset)) return;
  throw new EnvelopeError('BAD_ID', field, `'${id}' is not a lower-case UUID of version 1..8`);
}

/** Of the header that was read last: a page, and a frame, is of one site. */
let lastSite = { bytes: new Uint8Array(UUID_BYTES), site: '' as SiteId };

function readSite(header: Uint8Array): SiteId {
  const { site, bytes } = lastSite;
  if (isAt(bytes, header, headerOffsets.site, UUID_BYTES) && site !== '') return site;
  const read = readId(header, headerOffsets.site, 'site') as SiteId;
  lastSite = { bytes: header.slice(headerOffsets.site, headerOffsets.site + UUID_BYTES), site: read };
  return read;
}

function readId(source: Uint8Array, offset: number, field: string): string {
  const id = readUuid(source, offset);
  if (id === null) throw malformed('BAD_ID', field, offset, 'not a UUID of version 1..8');
  return id;
}

function clockQualityCode(quality: ClockQuality): number {
  const code = clockQualities.indexOf(quality);
  if (code < 0) throw new EnvelopeError('BAD_CLOCK_QUALITY', 'clockQuality', `'${quality}' is not one`);
  return code;
}

function readClockQuality(code: number): ClockQuality {
  const quality = clockQualities[code];
  if (quality !== undefined) return quality;
  throw malformed(
    'BAD_CLOCK_QUALITY',
    'clockQuality',
    headerOffsets.clockQuality,
    `${code} is not one of 0..3`,
  );
}

function malformed(failure: EnvelopeFailure, field: string, offset: number, detail: string): EnvelopeError {
  return new EnvelopeError(failure, field, detail, { offset });
}
