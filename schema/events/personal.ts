import { z } from 'zod';

/**
 * Text about a person does not enter a log in clear: it is sealed under a key of its subject, and can be read as long as that key
 * is kept. In data it stands as one token, `sealed:<key id>:<base64url>`; what the log's tree covers is the token, so that
 * erasing somebody changes nothing that was proven. Version 1 of the events below may hold it in clear.
 */
const KEY_ID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const SEALED = `sealed:(${KEY_ID}):([A-Za-z0-9_-]{38,})`;
const wholeSealed = new RegExp(`^${SEALED}$`);
/** Of 4000 characters of 4 bytes each, in base64, with nonce, tag and key id. */
const SEALED_CHARACTERS_MAX = 22_000;

/** Whose text it is: `user-<pseudonym>`, `alarm-<id>`, `evidence-lock-<id>`, `bookmark-<id>`. Stands in logs for ever, so it names nobody. */
export const Subject = z.string().regex(/^(user|alarm|evidence-lock|bookmark)-[0-9a-f-]{32,36}$/);
export type Subject = z.infer<typeof Subject>;

export const SubjectKeyId = z.string().regex(new RegExp(`^${KEY_ID}$`));

const personalSchemas = new WeakSet<z.ZodType>();

/** Marks a field as personal: clear text of so many characters, or the token of such a text. */
export function personal(length: { readonly min?: number; readonly max: number }): z.ZodType<string, string> {
  const { min = 0, max } = length;
  const schema = z
    .string()
    .refine(
      text =>
        isSealed(text) ? text.length <= SEALED_CHARACTERS_MAX : text.length >= min && text.length <= max,
      `Invalid text: expected ${min} to ${max} characters, or a sealed text`,
    );
  personalSchemas.add(schema);
  return schema;
}

/** Whether a field holds text about a person, also where it may be null or left out. */
export function isPersonal(schema: z.ZodType): boolean {
  if (personalSchemas.has(schema)) return true;
  const { innerType } = schema.def as { readonly innerType?: z.ZodType };
  return innerType !== undefined && isPersonal(innerType);
}

export function isSealed(text: string): boolean {
  return wholeSealed.test(text);
}

export function sealedToken(keyId: string, sealed: string): string {
  return `sealed:${keyId}:${sealed}`;
}

/** The text with every token in it replaced. */
export function replaceSealed(text: string, open: (keyId: string, sealed: string) => string): string {
  if (!text.includes('sealed:')) return text;
  return text.replace(new RegExp(SEALED, 'g'), (_, keyId: string, sealed: string) => open(keyId, sealed));
}
