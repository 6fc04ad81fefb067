import { codecsOf, codecsOfContentType } from '../media/codecs';
import { currentSession, endSession } from '../session/session.store';
import type { Pictures } from './pace';

export interface RecordingRequest {
  readonly deviceId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly pictures: Pictures;
  readonly signal: AbortSignal;
  /** Bytes are handed on when this is done. */
  readonly onCodecs: (codecs: string) => Promise<void>;
  /** The next bytes are read when this is done. */
  readonly onBytes: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
}

export type RecordingOutcome =
  | { readonly kind: 'DONE' }
  | { readonly kind: 'NOTHING'; readonly reason: string };

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const answer = JSON.parse(text) as { message?: string; error?: string; code?: string };
    return answer.message ?? answer.error ?? answer.code ?? `The central answered ${response.status}`;
  } catch {
    return response.status === 404
      ? 'Nothing is held here at this time'
      : `The central answered ${response.status}`;
  }
}

/** Streams `GET /media/{deviceId}/recording` as it arrives. Throws when aborted or when the central cannot be reached. */
export async function fetchRecording(request: RecordingRequest): Promise<RecordingOutcome> {
  const interval = new URLSearchParams({
    from: new Date(request.fromMs).toISOString(),
    to: new Date(request.toMs).toISOString(),
    ...(request.pictures === 'KEY' ? { pictures: 'key' } : {}),
  });
  const response = await fetch(`/media/${encodeURIComponent(request.deviceId)}/recording?${interval}`, {
    headers: { authorization: `Bearer ${currentSession()?.token ?? ''}` },
    signal: request.signal,
  });
  if (response.status === 401) endSession();
  if (!response.ok || response.body === null) return { kind: 'NOTHING', reason: await reasonOf(response) };
  let codecs = codecsOfContentType(response.headers.get('content-type'));
  if (codecs !== null) await request.onCodecs(codecs);
  let byteCount = 0;
  let head = new Uint8Array(0);
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    byteCount += value.byteLength;
    let bytes: Uint8Array<ArrayBuffer> = value;
    if (codecs === null) {
      // Until the init segment is there, nothing can be appended.
      const joined = new Uint8Array(head.length + value.length);
      joined.set(head);
      joined.set(value, head.length);
      head = joined;
      codecs = codecsOf(head);
      if (codecs === null) continue;
      await request.onCodecs(codecs);
      bytes = head;
    }
    await request.onBytes(bytes);
  }
  return byteCount === 0
    ? { kind: 'NOTHING', reason: 'Nothing is held here at this time' }
    : { kind: 'DONE' };
}
