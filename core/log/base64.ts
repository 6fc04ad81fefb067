const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const valueOfCharacter = new Map([...alphabet].map((character, value) => [character, value]));

/** Standard base64 with padding: RFC 4648 §4. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = '';
  for (let offset = 0; offset < bytes.length; offset += 3) {
    const [first, second = 0, third = 0] = bytes.subarray(offset, offset + 3);
    const group = first! * 0x10000 + second * 0x100 + third;
    for (let digit = 0; digit < 4; digit += 1) {
      const isPadding = offset + digit > bytes.length;
      text += isPadding ? '=' : alphabet[(group >> (18 - 6 * digit)) & 0x3f];
    }
  }
  return text;
}

/** The bytes, or null when the text is not exactly what `encodeBase64` would have written. */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0) return null;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let buffer = 0;
  let bits = 0;
  let length = 0;
  for (const character of text.slice(0, text.length - padding)) {
    const value = valueOfCharacter.get(character);
    if (value === undefined) return null;
    buffer = ((buffer << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length] = (buffer >> bits) & 0xff;
    length += 1;
  }
  // The bits that the padding left over must be zero, or two texts would stand for the same bytes.
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : null;
}
