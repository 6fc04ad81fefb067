/** Byte length of a UUID (RFC 9562). */
export const UUID_BYTES = 16;

/** Where in the text the two digits of each byte stand. */
const digitsOfByte: readonly number[] = Array.from(
  { length: UUID_BYTES },
  (_, byte) => byte * 2 + [3, 5, 7, 9].filter(before => before < byte).length,
);
/** Of a text, filled anew for each: put together out of its parts it would be a tree of them, which costs twice as much. */
const characters: number[] = new Array(36).fill('-'.charCodeAt(0));
const characterOfDigit: readonly number[] = Array.from('0123456789abcdef', digit => digit.charCodeAt(0));
/** Of the ASCII characters, what a digit stands for; -1 for every other character. */
const valueOfCharacter = Int8Array.from({ length: 128 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code)),
);

/**
 * Writes a UUID in lower-case text form into 16 bytes of `target`. Returns false, with `target` undefined in that
 * range, when the text is not such a UUID of version 1..8 and the RFC 9562 variant.
 */
export function writeUuid(text: string, target: Uint8Array, offset: number): boolean {
  if (text.length !== 36) return false;
  if (text[8] !== '-' || text[13] !== '-' || text[18] !== '-' || text[23] !== '-') return false;
  // Negative as soon as one character is no digit.
  let signs = 0;
  for (let index = 0; index < UUID_BYTES; index += 1) {
    const at = digitsOfByte[index]!;
    const high = valueOfCharacter[text.charCodeAt(at)] ?? -1;
    const low = valueOfCharacter[text.charCodeAt(at + 1)] ?? -1;
    signs |= high | low;
    target[offset + index] = high * 16 + low;
  }
  return signs >= 0 && isUuid(target, offset);
}

/** The UUID in lower-case text form, or null when the 16 bytes are not one of version 1..8 and the RFC 9562 variant. */
export function readUuid(source: Uint8Array, offset: number): string | null {
  if (source.length < offset + UUID_BYTES || !isUuid(source, offset)) return null;
  for (let index = 0; index < UUID_BYTES; index += 1) {
    const byte = source[offset + index]!;
    const at = digitsOfByte[index]!;
    characters[at] = characterOfDigit[byte >> 4]!;
    characters[at + 1] = characterOfDigit[byte & 0xf]!;
  }
  return String.fromCharCode.apply(null, characters);
}

function isUuid(bytes: Uint8Array, offset: number): boolean {
  const version = bytes[offset + 6]! >> 4;
  return version >= 1 && version <= 8 && bytes[offset + 8]! >> 6 === 0b10;
}
