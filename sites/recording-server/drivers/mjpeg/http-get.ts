import http from 'node:http';
import https from 'node:https';
import type { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError, socketError, statusError } from '../camera-session-error.js';
import { RESPONSE_TIMEOUT_MS } from '../rtsp/rtsp-pipe.js';

export interface HttpGetOptions {
  readonly address: string;
  readonly authorisation: CameraAuthorisation;
  readonly agent: http.Agent | https.Agent;
  readonly signal: AbortSignal;
}

/** One connection to a camera, used again for each request. Destroying it closes it. */
export function agentFor(address: string, tlsAuthorities: readonly string[]): http.Agent | https.Agent {
  const options = { keepAlive: true, maxSockets: 1 };
  if (!address.startsWith('https:')) return new http.Agent(options);
  // Cameras nearly always carry self-signed certificates.
  const known = tlsAuthorities.length > 0;
  return new https.Agent({
    ...options,
    ...(known ? { ca: [...tlsAuthorities] } : {}),
    rejectUnauthorized: known,
  });
}

/** The answer with status 200, its body unread. Answers challenges; follows no redirects. @throws CameraSessionError */
export async function httpGet(options: HttpGetOptions): Promise<http.IncomingMessage> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await request(options);
    const status = response.statusCode ?? 0;
    if (status === 200) return response;
    response.resume();
    if (status !== 401) throw statusError('GET', status, response.statusMessage ?? '');
    const challenges = response.rawHeaders.filter(
      (_, index, all) => index % 2 === 1 && all[index - 1]!.toLowerCase() === 'www-authenticate',
    );
    options.authorisation.challenged({ headers: new Map([['www-authenticate', challenges]]) }, attempt);
  }
}

function request({ address, authorisation, agent, signal }: HttpGetOptions): Promise<http.IncomingMessage> {
  const url = new URL(address);
  const authorization = authorisation.header('GET', url.pathname + url.search);
  return new Promise((resolve, reject) => {
    const get = url.protocol === 'https:' ? https.get : http.get;
    const sent = get(url, {
      agent,
      signal,
      headers: { 'user-agent': 'Holdfast', ...(authorization === null ? {} : { authorization }) },
    });
    const timer = setTimeout(() => {
      const words = `${url.host} does not answer GET within ${RESPONSE_TIMEOUT_MS / 1000} s`;
      sent.destroy(new CameraSessionError('RESPONSE_TIMEOUT', 'UNREACHABLE', words));
    }, RESPONSE_TIMEOUT_MS);
    sent.on('response', response => {
      clearTimeout(timer);
      resolve(response);
    });
    sent.on('error', fault => {
      clearTimeout(timer);
      reject(fault instanceof CameraSessionError ? fault : socketError(url.host, fault));
    });
  });
}
