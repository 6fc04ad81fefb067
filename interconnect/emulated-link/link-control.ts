import type { EmulatedLinkState, LinkCutMode } from './emulated-link.js';
import { linkCutModes } from './emulated-link.js';
import { type LinkTrace, LinkTraceError, parseLinkTrace } from './link-trace.js';

/** What the control server says of one link. */
export interface LinkReport {
  readonly siteId: string;
  readonly name: string | null;
  readonly state: EmulatedLinkState['state'];
  readonly cut: LinkCutMode | null;
  readonly shape:
    | { readonly kind: 'UNLIMITED' }
    | { readonly kind: 'CONSTANT'; readonly bandwidthBitsPerSecond: number; readonly delayMs: number }
    | { readonly kind: 'TRACE'; readonly durationMs: number; readonly delayMs: number };
  readonly connectionCount: number;
  readonly bytesToParent: number;
  readonly bytesToSite: number;
}

/** What can be asked of `POST /links/{site}/shape`. `traceCsv` is the text of a trace file; `null` takes the shape away. */
export type LinkShapeRequest =
  | { readonly bandwidthBitsPerSecond: number; readonly delayMs?: number }
  | { readonly traceCsv: string; readonly delayMs?: number }
  | null;

export type LinkControlErrorCode =
  | 'UNAUTHORIZED'
  | 'UNKNOWN_LINK'
  | 'UNKNOWN_PATH'
  | 'INVALID_REQUEST'
  | 'LINK_FAULT'
  | 'CONTROL_UNREACHABLE';

/** The control server says no, or cannot be reached. */
export class LinkControlError extends Error {
  override readonly name = 'LinkControlError';
  readonly code: LinkControlErrorCode;

  constructor(code: LinkControlErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Above this a delay is a mistake: no link that carries TCP is slower. */
const DELAY_MS_MAX = 10_000;
const BANDWIDTH_BITS_PER_SECOND_MAX = 100e9;

const invalid = (message: string): LinkControlError => new LinkControlError('INVALID_REQUEST', message);

export function parseCutRequest(body: unknown): LinkCutMode {
  if (body === null) return 'RESET';
  const mode = linkCutModes.find(known => known === (body as { readonly mode?: unknown }).mode);
  if (mode === undefined) throw invalid(`mode: expected one of ${linkCutModes.join(', ')}`);
  return mode;
}

export type ParsedShape =
  | { readonly bandwidthBitsPerSecond: number; readonly delayMs: number }
  | { readonly trace: LinkTrace; readonly delayMs: number }
  | null;

export function parseShapeRequest(body: unknown): ParsedShape {
  if (body === null) return null;
  const request = body as { readonly [key: string]: unknown };
  const delayMs = request.delayMs ?? 0;
  if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs <= DELAY_MS_MAX))
    throw invalid(`delayMs: expected 0…${DELAY_MS_MAX}, one way`);
  if (typeof request.traceCsv === 'string') {
    try {
      return { trace: parseLinkTrace(request.traceCsv), delayMs };
    } catch (error) {
      if (error instanceof LinkTraceError) throw invalid(`traceCsv: ${error.message}`);
      throw error;
    }
  }
  const bandwidth = request.bandwidthBitsPerSecond;
  if (typeof bandwidth !== 'number' || !(bandwidth >= 1000 && bandwidth <= BANDWIDTH_BITS_PER_SECOND_MAX))
    throw invalid(`bandwidthBitsPerSecond: expected 1000…${BANDWIDTH_BITS_PER_SECOND_MAX}, or traceCsv`);
  return { bandwidthBitsPerSecond: bandwidth, delayMs };
}
