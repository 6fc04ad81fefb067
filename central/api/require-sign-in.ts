import type { GraphQLSchema } from 'graphql';
import type { ApiContext } from './api-context.js';
import { ApiError } from './api-error.js';

/**
 * Nobody gets an answer from any field of the API without being signed in: whoever adds a field need not remember it.
 * Changes the schema in place.
 */
export function requireSignIn(schema: GraphQLSchema): void {
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    for (const field of Object.values(type?.getFields() ?? {})) {
      const { resolve, subscribe } = field;
      if (subscribe) {
        field.subscribe = (source, args, context: ApiContext, info) => {
          refuseStrangers(context);
          return subscribe(source, args, context, info);
        };
      }
      field.resolve = (source, args, context: ApiContext, info) => {
        refuseStrangers(context);
        return resolve?.(source, args, context, info);
      };
    }
  }
}

function refuseStrangers(context: ApiContext): void {
  if (context.user) return;
  throw new ApiError({ code: 'UNAUTHENTICATED', message: 'sign in: this needs a bearer token' });
}
