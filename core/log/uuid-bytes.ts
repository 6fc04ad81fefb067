/** Byte length of a UUID (RFC 9562). */
export const UUID_BYTES = 16;

const hexOfByte: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);
/** Whether a hyphen stands behind the byte: 8-4-4-4-12. */
const isHyphenAfter = (byte: number) => byte === 3 || byte === 5 || byte === 7 || byte === 9;

/**
 * Writes a UUID in lower-case text form into 16 bytes of `target`. Returns false, with `target` undefined in that
 * range, when the text is not such a UUID of version 1..8 and the RFC 9562 variant.
 */
export function writeUuid(text: string, target: Uint8Array, offset: number): boolean {
  if (text.length !== 36) return false;
  let at = 0;
  for (let index = 0; index < UUID_BYTES; index += 1) {
    const high = hexDigit(text.charCodeAt(at));
    const low = hexDigit(text.charCodeAt(at + 1));
    if (high < 0 || low < 0) return false;
    target[offset + index] = high * 16 + low;
    at += 2;
    if (isHyphenAfter(index)) {
      if (text.charCodeAt(at) !== 0x2d) return false;
      at += 1;
    }
  }
  return isUuid(target, offset);
}

/** The UUID in lower-case text form, or null when the 16 bytes are not one of version 1..8 and the RFC 9562 variant. */
export function readUuid(source: Uint8Array, offset: number): string | null {
  if (source.length < offset + UUID_BYTES || !isUuid(source, offset)) return null;
  let text = '';
  for (let index = 0; index < UUID_BYTES; index += 1) {
    text += hexOfByte[source[offset + index]!];
    if (isHyphenAfter(index)) text += '-';
  }
  return text;
}

function isUuid(bytes: Uint8Array, offset: number): boolean {
  const version = bytes[offset + 6]! >> 4;
  return version >= 1 && version <= 8 && bytes[offset + 8]! >> 6 === 0b10;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}
