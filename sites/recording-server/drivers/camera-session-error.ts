import type { ConnectionLossCause } from '@holdfast/schema';

export type CameraSessionErrorCode =
  | 'ADDRESS_INVALID'
  | 'CONNECT_FAILED'
  | 'CONNECT_TIMEOUT'
  | 'RESPONSE_TIMEOUT'
  | 'CONNECTION_CLOSED'
  | 'CREDENTIALS_NEEDED'
  | 'CREDENTIALS_REFUSED'
  | 'CREDENTIALS_WITHHELD'
  | 'CHALLENGE_UNKNOWN'
  | 'REDIRECT_REFUSED'
  | 'STATUS'
  | 'STREAM_UNREADABLE'
  | 'STREAM_UNSUPPORTED'
  | 'TRANSPORT_UNSUPPORTED'
  | 'TEARDOWN_BY_CAMERA'
  | 'NO_MEDIA'
  | 'NO_PICTURE';

/** A camera could not be reached, has refused, or was lost. `message` is one sentence for a person. */
export class CameraSessionError extends Error {
  override readonly name = 'CameraSessionError';

  constructor(
    readonly code: CameraSessionErrorCode,
    readonly lossCause: ConnectionLossCause,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** RFC 2326 §11: what a status other than 200 means for the camera's state. */
export function statusError(method: string, status: number, reason: string): CameraSessionError {
  const answer = `the camera answers ${method} with ${status}${reason === '' ? '' : ` ${reason}`}`;
  if (status >= 300 && status < 400)
    return new CameraSessionError(
      'REDIRECT_REFUSED',
      'PROTOCOL_ERROR',
      `${answer}; redirects are not followed`,
    );
  if (status === 401 || status === 403)
    return new CameraSessionError('CREDENTIALS_REFUSED', 'UNAUTHORIZED', answer);
  if (status === 404)
    return new CameraSessionError('STATUS', 'NOT_FOUND', `${answer}; check the path of its address`);
  if (status === 461) return new CameraSessionError('TRANSPORT_UNSUPPORTED', 'UNSUPPORTED_MEDIA', answer);
  if (status === 415) return new CameraSessionError('STATUS', 'UNSUPPORTED_MEDIA', answer);
  return new CameraSessionError('STATUS', 'REFUSED', answer);
}

const unreachable = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EHOSTDOWN',
]);

/** A fault of the socket in words. */
export function socketError(host: string, fault: Error & { readonly code?: string }): CameraSessionError {
  const options = { cause: fault };
  if (fault.code === 'ECONNREFUSED')
    return new CameraSessionError('CONNECT_FAILED', 'REFUSED', `${host} refuses the connection`, options);
  if (fault.code !== undefined && unreachable.has(fault.code))
    return new CameraSessionError(
      'CONNECT_FAILED',
      'UNREACHABLE',
      `${host} cannot be reached (${fault.code})`,
      options,
    );
  const words = `the connection to ${host} broke: ${fault.message}`;
  return new CameraSessionError('CONNECTION_CLOSED', 'CLOSED', words, options);
}
