/** ISO/IEC 14496-12 §4.2: boxes of a 32-bit size and a four-letter type. Integers are big-endian. */
export function box(type: string, ...contents: readonly Uint8Array[]): Uint8Array {
  const byteLength = contents.reduce((sum, content) => sum + content.length, 8);
  const bytes = new Uint8Array(byteLength);
  new DataView(bytes.buffer).setUint32(0, byteLength);
  bytes.set(ascii(type), 4);
  let offset = 8;
  for (const content of contents) {
    bytes.set(content, offset);
    offset += content.length;
  }
  return bytes;
}

export function fullBox(
  type: string,
  options: { readonly version: number; readonly flags: number },
  ...contents: readonly Uint8Array[]
): Uint8Array {
  return box(type, uint32(options.version * 2 ** 24 + options.flags), ...contents);
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, character => character.charCodeAt(0));
}

export function uint8(...values: readonly number[]): Uint8Array {
  return Uint8Array.from(values);
}

export function uint16(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 2));
  values.forEach((value, index) => {
    view.setUint16(index * 2, value);
  });
  return new Uint8Array(view.buffer);
}

export function uint32(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => {
    view.setUint32(index * 4, value);
  });
  return new Uint8Array(view.buffer);
}
