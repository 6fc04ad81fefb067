/** An inclusive range of bytes, as in `Content-Range`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * A `Range` header against a body of known length (RFC 9110 §14.1.2). `WHOLE`: no header, another unit, several ranges
 * or nonsense, which a server may ignore. `UNSATISFIABLE`: nothing of the body is in the range.
 */
export function parseByteRange(
  header: string | undefined,
  byteLength: number,
): ByteRange | 'WHOLE' | 'UNSATISFIABLE' {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (!match) return 'WHOLE';
  const [, first, last] = match as unknown as [string, string, string];
  if (first === '' && last === '') return 'WHOLE';
  if (first === '') {
    const suffix = Number(last);
    if (suffix === 0 || byteLength === 0) return 'UNSATISFIABLE';
    return { from: Math.max(0, byteLength - suffix), to: byteLength - 1 };
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return 'WHOLE';
  if (from >= byteLength) return 'UNSATISFIABLE';
  return { from, to: last === '' ? byteLength - 1 : Math.min(Number(last), byteLength - 1) };
}
