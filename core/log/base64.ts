const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const NO_DIGIT = 0xff;
const valueOfCode = new Uint8Array(128).fill(NO_DIGIT);
for (let value = 0; value < alphabet.length; value += 1) valueOfCode[alphabet.charCodeAt(value)] = value;

/** Standard base64 with padding: RFC 4648 §4. */
export function encodeBase64(bytes: Uint8Array): string {
  const { length } = bytes;
  let text = '';
  for (let offset = 0; offset < length; offset += 3) {
    const group = bytes[offset]! * 0x10000 + (bytes[offset + 1] ?? 0) * 0x100 + (bytes[offset + 2] ?? 0);
    text += alphabet[group >> 18]! + alphabet[(group >> 12) & 0x3f]!;
    text += offset + 1 < length ? alphabet[(group >> 6) & 0x3f]! : '=';
    text += offset + 2 < length ? alphabet[group & 0x3f]! : '=';
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
  for (let index = 0; index < text.length - padding; index += 1) {
    const value = valueOfCode[text.charCodeAt(index)] ?? NO_DIGIT;
    if (value === NO_DIGIT) return null;
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
