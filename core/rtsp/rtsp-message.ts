/** Header names in lower case; a name may occur more than once (`www-authenticate`). */
export type RtspHeaders = ReadonlyMap<string, readonly string[]>;

export interface RtspResponse {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  readonly headers: RtspHeaders;
  readonly body: Uint8Array;
}

export interface RtspRequest {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
  readonly headers: RtspHeaders;
  readonly body: Uint8Array;
}

export type RtspMessage = RtspResponse | RtspRequest;

/** Start line and headers of a message, RFC 2326 §4 and §6–7. */
export type RtspHead =
  | Pick<RtspResponse, 'kind' | 'status' | 'reason' | 'headers'>
  | Pick<RtspRequest, 'kind' | 'method' | 'uri' | 'headers'>;

const statusLine = /^RTSP\/1\.\d (\d{3})(?: (.*))?$/;
const requestLine = /^([A-Z_]{3,20}) (\S+) RTSP\/1\.\d$/;

/** `null`: this is not the head of an RTSP message. A header line without a colon is skipped, as cameras send them. */
export function parseRtspHead(text: string): RtspHead | null {
  const lines = text.split(/\r?\n/);
  const first = lines.shift() ?? '';
  const headers = parseHeaderLines(lines);
  const status = statusLine.exec(first);
  if (status) return { kind: 'response', status: Number(status[1]), reason: status[2] ?? '', headers };
  const request = requestLine.exec(first);
  if (request) return { kind: 'request', method: request[1]!, uri: request[2]!, headers };
  return null;
}

/** Status line and headers of an HTTP answer: RTSP took its form from there. */
export function parseHttpHead(text: string): Pick<RtspResponse, 'status' | 'reason' | 'headers'> | null {
  const [first = '', ...lines] = text.split(/\r?\n/);
  const status = /^HTTP\/1\.\d (\d{3})(?: (.*))?$/.exec(first);
  return status && { status: Number(status[1]), reason: status[2] ?? '', headers: parseHeaderLines(lines) };
}

function parseHeaderLines(lines: readonly string[]): RtspHeaders {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    const known = headers.get(name);
    if (known) known.push(value);
    else headers.set(name, [value]);
  }
  return headers;
}

export function firstHeader(headers: RtspHeaders, name: string): string | null {
  return headers.get(name)?.[0] ?? null;
}

/** A value with a line break would let whoever configured it write headers of their own. */
function assertOneLine(text: string): string {
  if (/[\r\n]/.test(text))
    throw new TypeError(`an RTSP line must not contain a line break: ${JSON.stringify(text)}`);
  return text;
}

export function formatRtspRequest(request: {
  readonly method: string;
  readonly uri: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}): string {
  const lines = [
    `${request.method} ${request.uri} RTSP/1.0`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.map(assertOneLine).join('\r\n')}\r\n\r\n`;
}

export function formatRtspResponse(response: {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}): string {
  const lines = [
    `RTSP/1.0 ${response.status} ${response.reason}`,
    ...response.headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.map(assertOneLine).join('\r\n')}\r\n\r\n`;
}

export interface RtspSessionHeader {
  readonly id: string;
  /** RFC 2326 §12.37: 60 seconds when the server does not say. */
  readonly timeoutSeconds: number;
}

export function parseSessionHeader(value: string): RtspSessionHeader {
  const [id, ...parameters] = value.split(';').map(part => part.trim());
  const timeout = parameters
    .map(part => /^timeout\s*=\s*"?(\d{1,6})/i.exec(part))
    .find(found => found !== null);
  const seconds = timeout ? Number(timeout[1]) : 60;
  return { id: id ?? '', timeoutSeconds: seconds > 0 ? seconds : 60 };
}

/** The interleaved channel pair that the server has chosen (RFC 2326 §12.39), `null` when it did not agree to TCP. */
export function parseInterleavedChannels(
  transport: string,
): { readonly rtp: number; readonly rtcp: number } | null {
  const found = /(?:^|;)\s*interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?/i.exec(transport);
  if (!found) return null;
  const rtp = Number(found[1]);
  const rtcp = found[2] === undefined ? rtp + 1 : Number(found[2]);
  return rtp > 255 || rtcp > 255 ? null : { rtp, rtcp };
}

export interface DatagramTransport {
  /** Where the server sends from and listens; `null`: it does not say. */
  readonly serverPorts: { readonly rtp: number; readonly rtcp: number } | null;
  /** From which address it sends; `null`: from its own. */
  readonly source: string | null;
}

/** What the server has agreed to for RTP over UDP to our port (RFC 2326 §12.39); `null`: it has not. */
export function parseDatagramTransport(transport: string, clientPort: number): DatagramTransport | null {
  if (/interleaved|multicast/i.test(transport)) return null;
  if (Number(/client_port\s*=\s*(\d+)/i.exec(transport)?.[1]) !== clientPort) return null;
  const ports = /server_port\s*=\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?/i.exec(transport);
  const rtp = Number(ports?.[1] ?? 0);
  const rtcp = ports?.[2] === undefined ? rtp + 1 : Number(ports[2]);
  const known = rtp > 0 && rtp <= 65_535 && rtcp > 0 && rtcp <= 65_535;
  return {
    serverPorts: known ? { rtp, rtcp } : null,
    source: /source\s*=\s*"?([^;"\s]+)/i.exec(transport)?.[1] ?? null,
  };
}

/**
 * The URL of a media stream from its `a=control` value: absolute, `*`, or relative to the base. Relative values are
 * appended, not resolved as RFC 3986 would: that is what cameras mean by `trackID=1`, also behind a query string.
 */
export function resolveControlUrl(base: string, control: string | null): string {
  if (control === null || control === '' || control === '*') return base;
  if (/^rtsps?:\/\//i.test(control)) return control;
  if (control.startsWith('/')) return `${/^rtsps?:\/\/[^/]*/i.exec(base)?.[0] ?? ''}${control}`;
  return base.endsWith('/') ? base + control : `${base}/${control}`;
}
