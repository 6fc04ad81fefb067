import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled';
import { fastifyApolloDrainPlugin, fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { ApiContext, SignedInUser } from '../api/api-context.js';
import { presentError } from '../api/api-error.js';
import { QUERY_TOKENS_MAX, queryLimits } from '../api/query-limits.js';

export const GRAPHQL_PATH = '/graphql';
/** A query with its variables; footage and files do not come this way. */
const BODY_BYTES_MAX = 256 * 1024;

export interface GraphqlOptions {
  readonly schema: GraphQLSchema;
  readonly contextOf: (user: SignedInUser) => ApiContext;
  /** The user of an `Authorization` header, or null. */
  readonly authenticate: (authorization: unknown) => Promise<SignedInUser | null>;
  readonly onFault: (error: unknown) => void;
}

/** Queries and mutations over HTTP, for signed-in users only. */
export async function registerGraphqlHttp(server: FastifyInstance, options: GraphqlOptions): Promise<void> {
  const apollo = new ApolloServer<ApiContext>({
    schema: options.schema,
    introspection: true,
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    validationRules: [queryLimits],
    parseOptions: { maxTokens: QUERY_TOKENS_MAX },
    formatError: (_formatted, error) => presentError(error, options.onFault),
    // No answer may be kept by a cache; working out for how long takes a quarter of what a large answer takes.
    plugins: [fastifyApolloDrainPlugin(server), ApolloServerPluginCacheControlDisabled()],
  });
  await apollo.start();
  server.route({
    url: GRAPHQL_PATH,
    method: ['POST', 'OPTIONS'],
    bodyLimit: BODY_BYTES_MAX,
    handler: fastifyApolloHandler(apollo, {
      context: async request => {
        const user = await options.authenticate(request.headers.authorization);
        if (user) return options.contextOf(user);
        throw new GraphQLError('sign in: this needs a bearer token', {
          extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } },
        });
      },
    }),
  });
}
