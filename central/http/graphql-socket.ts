import {
  type ExecutionArgs,
  execute,
  GraphQLError,
  getOperationAST,
  parse,
  specifiedRules,
  subscribe,
  validate,
} from 'graphql';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, type SubscribePayload } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { SignedInUser } from '../api/api-context.js';
import { presentError } from '../api/api-error.js';
import { QUERY_TOKENS_MAX, queryLimits } from '../api/query-limits.js';
import type { GraphqlOptions } from './graphql-http.js';

const MESSAGE_BYTES_MAX = 256 * 1024;
/** Of one socket at once: a console with every view open has fewer than ten. */
const OPERATIONS_PER_SOCKET_MAX = 50;
/** A socket that says nothing after opening is closed. */
const SIGN_IN_WAIT_MS = 10_000;

/** Set when the socket has signed in. */
type SocketExtra = { user?: SignedInUser };

/** Subscriptions (and any other operation) over graphql-transport-ws. The token is checked when the socket opens. */
export function createGraphqlSocket(options: GraphqlOptions): {
  readonly sockets: WebSocketServer;
  dispose(): Promise<void>;
} {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    handleProtocols: protocols =>
      protocols.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : false,
  });
  const disposable = useServer<Record<string, unknown>, SocketExtra>(
    {
      schema: options.schema,
      execute,
      subscribe,
      connectionInitWaitTimeout: SIGN_IN_WAIT_MS,
      async onConnect({ connectionParams, extra }) {
        const given =
          connectionParams?.authorization ??
          connectionParams?.Authorization ??
          extra.request.headers.authorization;
        const user = await options.authenticate(given);
        if (!user) return false;
        extra.user = user;
        return true;
      },
      onSubscribe(context, _id, payload) {
        if (Object.keys(context.subscriptions).length > OPERATIONS_PER_SOCKET_MAX) {
          return [
            new GraphQLError(`at most ${OPERATIONS_PER_SOCKET_MAX} operations at once on one socket`, {
              extensions: { code: 'QUERY_TOO_COMPLEX' },
            }),
          ];
        }
        return prepare(options, payload, context.extra.user!);
      },
      onNext: (_context, _id, _payload, _args, { data, errors }) =>
        errors
          ? { data: data ?? null, errors: errors.map(error => presentError(error, options.onFault)) }
          : undefined,
      onError: (_context, _id, _payload, errors) => errors.map(error => presentError(error, options.onFault)),
    },
    sockets,
  );
  return {
    sockets,
    async dispose() {
      await disposable.dispose();
    },
  };
}

function prepare(
  { schema, contextOf }: GraphqlOptions,
  payload: SubscribePayload,
  user: SignedInUser,
): ExecutionArgs | readonly GraphQLError[] {
  let document: ReturnType<typeof parse>;
  try {
    document = parse(payload.query, { maxTokens: QUERY_TOKENS_MAX });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    return [new GraphQLError(error.message, { extensions: { code: 'GRAPHQL_PARSE_FAILED' } })];
  }
  const invalid = validate(schema, document, [...specifiedRules, queryLimits]);
  if (invalid.length > 0) {
    return invalid.map(
      error =>
        new GraphQLError(error.message, {
          extensions: { code: 'GRAPHQL_VALIDATION_FAILED', ...error.extensions },
        }),
    );
  }
  if (!getOperationAST(document, payload.operationName)) {
    return [
      new GraphQLError('name one of the operations of the document', {
        extensions: { code: 'OPERATION_RESOLUTION_FAILURE' },
      }),
    ];
  }
  return {
    schema,
    document,
    operationName: payload.operationName ?? null,
    variableValues: payload.variables ?? null,
    contextValue: contextOf(user),
  };
}
