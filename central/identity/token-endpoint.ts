import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { ACCESS_TOKEN_SECONDS, type AccessTokens } from './access-tokens.js';
import type { Administrator } from './administrator.js';
import { SignInLimit } from './sign-in-limit.js';

export const TOKEN_PATH = '/API/IDP/connect/token';
const CLIENT_ID = 'GrantValidatorClient';

export interface TokenEndpointOptions {
  readonly administrator: Administrator;
  readonly tokens: AccessTokens;
  readonly now: () => number;
  /** Becomes a fact of the log; must not throw. */
  readonly report: (signIn: {
    readonly granted: boolean;
    readonly userName: string;
    readonly address: string;
  }) => void;
}

const TokenRequest = z.object({
  grant_type: z.string(),
  client_id: z.string(),
  username: z.string().min(1).max(200),
  password: z.string().min(1).max(1000),
});

/** OAuth 2.0 password grant (RFC 6749 §4.3), as scripts for such systems expect it. Expects form bodies parsed. */
export function registerTokenEndpoint(server: FastifyInstance, options: TokenEndpointOptions): void {
  const limit = new SignInLimit();
  server.post(TOKEN_PATH, async (request, reply) => {
    // RFC 6749 §5.1: nobody on the way may keep a token.
    reply.header('cache-control', 'no-store');
    // No body at all is a form with nothing in it: all fields are named.
    const parsed = TokenRequest.safeParse(request.body ?? {});
    if (!parsed.success) {
      const missing = parsed.error.issues.map(issue => issue.path.join('.')).join(', ');
      return reply.code(400).send(oauthError('invalid_request', `expected a form with ${missing}`));
    }
    const { grant_type: grantType, client_id: clientId, username: userName, password } = parsed.data;
    if (grantType !== 'password') {
      return reply.code(400).send(oauthError('unsupported_grant_type', 'expected grant_type=password'));
    }
    if (clientId !== CLIENT_ID) {
      return reply.code(401).send(oauthError('invalid_client', `expected client_id=${CLIENT_ID}`));
    }
    const keys = [`name ${userName.toLowerCase()}`, `address ${request.ip}`];
    const waitMs = limit.waitMs(keys, options.now());
    if (waitMs > 0) {
      reply.header('retry-after', Math.ceil(waitMs / 1000));
      return reply
        .code(429)
        .send(oauthError('slow_down', `too many failed sign-ins: wait ${Math.ceil(waitMs / 1000)} s`));
    }
    const granted = options.administrator.isSignedInBy({ userName, password });
    options.report({ granted, userName, address: request.ip });
    if (!granted) {
      limit.failed(keys, options.now());
      return reply.code(400).send(oauthError('invalid_grant', 'user name or password is wrong'));
    }
    limit.succeeded(keys);
    const accessToken = await options.tokens.issue(options.administrator.name);
    return { access_token: accessToken, token_type: 'Bearer', expires_in: ACCESS_TOKEN_SECONDS };
  });
}

/** RFC 6749 §5.2. */
function oauthError(error: string, description: string) {
  return { error, error_description: description };
}
