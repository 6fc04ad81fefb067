import type { PersonalTexts } from '@holdfast/core';
import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
} from 'graphql';
import type { ApiContext } from '../api-context.js';

/** The one field that holds JSON: what is opened within it has to be JSON too. */
const JSON_FIELD = 'Event.data';

/**
 * Read models and logs hold what people wrote and what they are called only sealed. Here, where it goes out to who is signed in,
 * it is opened: in every field of text, so that whoever adds one need not remember it. Changes the schema in place.
 */
export function revealPersonal(schema: GraphQLSchema, personal: PersonalTexts): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      if (getNamedType(field.type).name !== 'String') continue;
      const isJson = `${type.name}.${field.name}` === JSON_FIELD;
      revealField(field, text => (isJson ? personal.revealJson(text) : personal.reveal(text)));
    }
  }
}

function revealField(field: GraphQLField<unknown, ApiContext>, reveal: (text: string) => string): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  const revealed = (value: unknown): unknown => {
    if (typeof value === 'string') return reveal(value);
    return Array.isArray(value) ? value.map(revealed) : value;
  };
  field.resolve = (source, args, context, info) => {
    const value = resolve(source, args, context, info);
    return value instanceof Promise ? value.then(revealed) : revealed(value);
  };
}
