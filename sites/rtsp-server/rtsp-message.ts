/** Far above any real request; below what an attacker would need to hurt. */
export const HEADER_BYTES_MAX = 16 * 1024;
/** Bodies come only with SET_PARAMETER and the like, and are short. */
export const BODY_BYTES_MAX = 16 * 1024;

const INTERLEAVED = 0x24;
const HEADER_END = Buffer.from('\r\n\r\n');

export interface RtspRequest {
  readonly method: string;
  readonly uri: string;
  readonly version: string;
  /** Names in lower case; of a repeated header the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export type RtspInput =
  | { readonly kind: 'request'; readonly request: RtspRequest }
  /** A frame between requests (RFC 2326 §10.12): from a client, its RTCP receiver reports. */
  | { readonly kind: 'interleaved'; readonly channel: number; readonly payload: Buffer }
  /** Not RTSP. Nothing after it can be trusted: answer 400 and close. */
  | { readonly kind: 'malformed'; readonly detail: string };

/** Cuts the bytes of one connection into requests and interleaved frames. Holds at most one incomplete message. */
export class RtspParser {
  #pending: Buffer = Buffer.alloc(0);
  #broken = false;

  push(chunk: Buffer): RtspInput[] {
    const inputs: RtspInput[] = [];
    if (this.#broken) return inputs;
    let rest = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    for (;;) {
      while (rest[0] === 0x0d || rest[0] === 0x0a) rest = rest.subarray(1);
      const taken = rest.length === 0 ? null : takeInput(rest);
      if (taken === null) break;
      inputs.push(taken.input);
      if (taken.input.kind === 'malformed') {
        this.#broken = true;
        rest = Buffer.alloc(0);
        break;
      }
      rest = rest.subarray(taken.byteLength);
    }
    // A copy, so that a few waiting bytes do not keep a whole socket buffer alive.
    this.#pending = Buffer.from(rest);
    return inputs;
  }
}

type Taken = { readonly input: RtspInput; readonly byteLength: number };

const malformed = (detail: string): Taken => ({ input: { kind: 'malformed', detail }, byteLength: 0 });

/** The first message in `bytes`, or null while it is incomplete. */
function takeInput(bytes: Buffer): Taken | null {
  if (bytes[0] === INTERLEAVED) {
    if (bytes.length < 4) return null;
    const byteLength = 4 + bytes.readUInt16BE(2);
    if (bytes.length < byteLength) return null;
    return {
      input: { kind: 'interleaved', channel: bytes[1]!, payload: bytes.subarray(4, byteLength) },
      byteLength,
    };
  }
  const headerEnd = bytes.indexOf(HEADER_END);
  if (headerEnd > HEADER_BYTES_MAX || (headerEnd < 0 && bytes.length > HEADER_BYTES_MAX))
    return malformed(`request header longer than ${HEADER_BYTES_MAX} bytes`);
  if (headerEnd < 0) return null;
  return takeRequest(bytes, headerEnd);
}

function takeRequest(bytes: Buffer, headerEnd: number): Taken | null {
  const [first = '', ...lines] = bytes.toString('latin1', 0, headerEnd).split('\r\n');
  const parts = /^([A-Z_]{1,32}) (\S+) (RTSP\/\d\.\d)$/.exec(first);
  if (!parts) return malformed(`not a request line: ${JSON.stringify(first.slice(0, 100))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return malformed(`not a header: ${JSON.stringify(line.slice(0, 100))}`);
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const contentLength = headers.get('content-length') ?? '0';
  if (!/^\d{1,9}$/.test(contentLength) || Number(contentLength) > BODY_BYTES_MAX)
    return malformed(
      `Content-Length ${JSON.stringify(contentLength.slice(0, 20))} is not 0…${BODY_BYTES_MAX}`,
    );
  const bodyStart = headerEnd + HEADER_END.length;
  const byteLength = bodyStart + Number(contentLength);
  if (bytes.length < byteLength) return null;
  const [, method, uri, version] = parts as unknown as [string, string, string, string];
  const body = Buffer.from(bytes.subarray(bodyStart, byteLength));
  return { input: { kind: 'request', request: { method, uri, version, headers, body } }, byteLength };
}

/** RFC 2326 §7.1.1, those that this server answers with. */
const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  454: 'Session Not Found',
  455: 'Method Not Valid in This State',
  459: 'Aggregate Operation Not Allowed',
  461: 'Unsupported Transport',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'RTSP Version Not Supported',
  551: 'Option not supported',
};

export interface RtspResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function formatResponse(response: RtspResponse, sequence: string | undefined): string {
  const body = response.body ?? '';
  const headers = [
    ...(sequence === undefined ? [] : [`CSeq: ${sequence}`]),
    'Server: Holdfast',
    ...Object.entries(response.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ...(body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return `RTSP/1.0 ${response.status} ${reasons[response.status] ?? 'Error'}\r\n${headers.join('\r\n')}\r\n\r\n${body}`;
}
