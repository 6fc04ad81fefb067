import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { XMLParser } from 'fast-xml-parser';
import type { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError, socketError, statusError } from '../camera-session-error.js';
import type { CameraCredentials } from '../driver.js';

/** Cameras answer in tens of milliseconds; small ones take seconds while they start. A pulled message has its own wait within it. */
export const SOAP_TIMEOUT_MS = 10_000;
/** The profiles of a camera with many are a hundred KiB. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Answers of cameras are a dozen elements deep; code that descends into thousands comes to the end of its stack. */
const NESTED_MAX = 100;

const namespaces = {
  tds: 'http://www.onvif.org/ver10/device/wsdl',
  trt: 'http://www.onvif.org/ver10/media/wsdl',
  tr2: 'http://www.onvif.org/ver20/media/wsdl',
  tev: 'http://www.onvif.org/ver10/events/wsdl',
  tptz: 'http://www.onvif.org/ver20/ptz/wsdl',
  tt: 'http://www.onvif.org/ver10/schema',
  wsnt: 'http://docs.oasis-open.org/wsn/b-2',
} as const;
export type OnvifService = 'tds' | 'trt' | 'tr2' | 'tev' | 'tptz';
export const namespaceOf = (service: OnvifService): string => namespaces[service];

/** An element without its namespace: text, or what is in it; attributes begin with `@`. */
export type XmlNode = string | XmlElement | undefined;
export interface XmlElement {
  readonly [name: string]: XmlNode | readonly XmlNode[];
}

const parser = new XMLParser({
  removeNSPrefix: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  textNodeName: '#text',
  parseTagValue: false,
  parseAttributeValue: false,
  // Entities that a document defines itself are not replaced: a few of them make gigabytes. `textOf` knows the others.
  processEntities: false,
  maxNestedTags: NESTED_MAX,
});

export function parseXml(text: string): XmlElement {
  try {
    return parser.parse(text) as XmlElement;
  } catch (fault) {
    const words = `the camera's answer is no XML: ${fault instanceof Error ? fault.message : fault}`;
    throw new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
  }
}

/** All elements of this name; `[]`: there is none. */
export function children(node: XmlNode, name: string): readonly XmlNode[] {
  if (node === undefined || typeof node === 'string') return [];
  const found = node[name];
  if (found === undefined) return [];
  return Array.isArray(found) ? found : [found as XmlNode];
}

export function child(node: XmlNode, ...path: readonly string[]): XmlNode {
  let found = node;
  for (const name of path) found = children(found, name)[0];
  return found;
}

/** `''`: there is none. */
export function textOf(node: XmlNode, ...path: readonly string[]): string {
  const found = child(node, ...path);
  const text = typeof found === 'string' ? found : child(found, '#text');
  return typeof text === 'string' ? unescapeXml(text.trim()) : '';
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** XML 1.0 §4.1 and §4.6; what stands for nothing stays as it is. */
function unescapeXml(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,4}));/gi, (as, decimal, hex, name) => {
    if (name !== undefined) return entities[name] ?? as;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : as;
  });
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, character => `&#${character.charCodeAt(0)};`);
}

export interface SoapOptions {
  readonly credentials: CameraCredentials | null;
  readonly authorisation: CameraAuthorisation;
  readonly tlsAuthorities: readonly string[];
  /** Of the camera: its clock decides whether a signature is too old. */
  readonly now: () => number;
}

export interface SoapCall {
  readonly url: string;
  /** What is asked, with the prefixes of `namespaces`. */
  readonly body: string;
  /** Header elements besides the signature. */
  readonly header?: string;
  /** Some requests are asked before anything is known of the camera. */
  readonly unsigned?: boolean;
  readonly timeoutMs?: number;
}

/** Sends one request (SOAP 1.2) and returns the content of the answer's body. @throws CameraSessionError */
export async function callSoap(
  call: SoapCall,
  { credentials, authorisation, tlsAuthorities, now }: SoapOptions,
  signal: AbortSignal,
): Promise<XmlElement> {
  const security = credentials === null || call.unsigned ? '' : usernameToken(credentials, now());
  const declared = Object.entries(namespaces).map(([prefix, uri]) => `xmlns:${prefix}="${uri}"`);
  const text =
    `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" ` +
    `xmlns:wsa="http://www.w3.org/2005/08/addressing" ${declared.join(' ')}>` +
    `<s:Header>${security}${call.header ?? ''}</s:Header><s:Body>${call.body}</s:Body></s:Envelope>`;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await post(call, text, { authorisation, tlsAuthorities }, signal);
    if (answer.status === 401 && answer.challenges.length > 0) {
      authorisation.challenged({ headers: new Map([['www-authenticate', answer.challenges]]) }, attempt);
      continue;
    }
    return readAnswer(answer, credentials !== null);
  }
}

interface HttpAnswer {
  readonly status: number;
  readonly reason: string;
  readonly challenges: readonly string[];
  readonly text: string;
}

function readAnswer({ status, reason, text }: HttpAnswer, signed: boolean): XmlElement {
  const isXml = text.trimStart().startsWith('<');
  const envelope = isXml ? child(parseXml(text), 'Envelope') : undefined;
  const fault = child(envelope, 'Body', 'Fault');
  const words = fault === undefined ? '' : textOf(fault, 'Reason', 'Text') || textOf(fault, 'faultstring');
  const isRefusal = /NotAuthorized|FailedAuthentication|not\s*authori[sz]ed/i.test(
    JSON.stringify(fault ?? ''),
  );
  if (status === 401 || isRefusal)
    throw new CameraSessionError(
      signed ? 'CREDENTIALS_REFUSED' : 'CREDENTIALS_NEEDED',
      'UNAUTHORIZED',
      signed
        ? 'the camera refuses the user name and password'
        : 'the camera asks for a user name and password and none are configured',
    );
  if (fault !== undefined)
    throw new CameraSessionError('STATUS', 'REFUSED', `the camera answers with a fault: ${words || status}`);
  if (status !== 200) throw statusError('POST', status, reason);
  const body = child(envelope, 'Body');
  if (body === undefined)
    throw new CameraSessionError(
      'STREAM_UNREADABLE',
      'PROTOCOL_ERROR',
      "the camera's answer is no SOAP envelope",
    );
  return typeof body === 'string' ? {} : body;
}

/** WS-Security UsernameToken profile 1.1 §3.1, with a digest of the password. */
function usernameToken({ userName, password }: CameraCredentials, nowMs: number): string {
  const nonce = randomBytes(16);
  const created = new Date(nowMs).toISOString();
  const digest = createHash('sha1').update(nonce).update(created).update(password).digest('base64');
  const wsse = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss';
  return (
    `<wsse:Security s:mustUnderstand="1" xmlns:wsse="${wsse}-wssecurity-secext-1.0.xsd" ` +
    `xmlns:wsu="${wsse}-wssecurity-utility-1.0.xsd"><wsse:UsernameToken>` +
    `<wsse:Username>${escapeXml(userName)}</wsse:Username>` +
    `<wsse:Password Type="${wsse}-username-token-profile-1.0#PasswordDigest">${digest}</wsse:Password>` +
    `<wsse:Nonce EncodingType="${wsse}-soap-message-security-1.0#Base64Binary">${nonce.toString('base64')}</wsse:Nonce>` +
    `<wsu:Created>${created}</wsu:Created></wsse:UsernameToken></wsse:Security>`
  );
}

async function post(
  { url: address, timeoutMs = SOAP_TIMEOUT_MS }: SoapCall,
  text: string,
  options: Pick<SoapOptions, 'authorisation' | 'tlsAuthorities'>,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const url = new URL(address);
  const authorization = options.authorisation.header('POST', url.pathname + url.search);
  const known = options.tlsAuthorities.length > 0;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const { request } = url.protocol === 'https:' ? https : http;
      const sent = request(url, {
        method: 'POST',
        signal: AbortSignal.any([signal, timeout]),
        headers: {
          'content-type': 'application/soap+xml; charset=utf-8',
          'content-length': Buffer.byteLength(text),
          'user-agent': 'Holdfast',
          connection: 'close',
          ...(authorization === null ? {} : { authorization }),
        },
        ...(known ? { ca: [...options.tlsAuthorities] } : {}),
        rejectUnauthorized: known,
      });
      sent.on('error', reject);
      sent.on('response', response => readText(response).then(resolve, reject));
      sent.end(text);
    });
  } catch (fault) {
    signal.throwIfAborted();
    if (fault instanceof CameraSessionError) throw fault;
    const words = `${url.host} does not answer within ${timeoutMs / 1000} s`;
    throw timeout.aborted
      ? new CameraSessionError('RESPONSE_TIMEOUT', 'UNREACHABLE', words)
      : socketError(url.host, fault as Error);
  }
}

async function readText(response: http.IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let byteLength = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    byteLength += chunk.length;
    if (byteLength > ANSWER_BYTES_MAX) {
      const words = `an answer of the camera is larger than ${ANSWER_BYTES_MAX} bytes`;
      throw new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
    }
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? '',
    challenges: response.headersDistinct['www-authenticate'] ?? [],
    text: Buffer.concat(chunks).toString(),
  };
}
