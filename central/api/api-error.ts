import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Refusal } from './api-ports.js';
import { type ErrorCode, isErrorCode } from './error-codes.js';

/** A request is answered with no. `code` is one of `errorCodes`, or what a site of another version said. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string;

  constructor({ code, message }: Refusal) {
    super(message);
    this.code = code;
  }

  /** As a site said it, which may run newer software: `code` is handed on, known here or not. */
  static ofSite({ code, message }: { readonly code: string; readonly message: string }): ApiError {
    return new ApiError({ code: code as ErrorCode, message });
  }
}

/**
 * The one place where an error becomes `extensions.code`. What has no code of ours is a fault: the caller learns
 * nothing of it, `onFault` everything.
 */
export function presentError(error: unknown, onFault: (error: unknown) => void): GraphQLFormattedError {
  const located = error instanceof GraphQLError ? error : new GraphQLError(String(error));
  const { locations, path } = located.toJSON();
  const place = { ...(locations && { locations }), ...(path && { path }) };
  const original = located.originalError ?? (located === error ? null : error);
  const ownCode = located.extensions.limit ?? located.extensions.code;
  const code =
    original instanceof Error &&
    'code' in original &&
    (original instanceof ApiError || isErrorCode(original.code))
      ? original.code
      : original === null || original instanceof GraphQLError
        ? ownCode
        : null;
  if (isErrorCode(code) || original instanceof ApiError) {
    if (code !== 'INTERNAL_SERVER_ERROR') {
      return { message: located.message, ...place, extensions: { code } };
    }
  } else if (original === null) {
    // GraphQL's own: a value that does not fit its type, a variable that is missing.
    return { message: located.message, ...place, extensions: { code: 'BAD_USER_INPUT' } };
  }
  onFault(original ?? error);
  return {
    message: 'a fault of this server; its log has the details',
    ...place,
    extensions: { code: 'INTERNAL_SERVER_ERROR' },
  };
}
