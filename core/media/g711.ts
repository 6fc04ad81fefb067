/** ITU-T G.711: one byte of µ-law as a sample of 16 bits. */
export function sampleOfMuLaw(byte: number): number {
  const bits = ~byte & 0xff;
  const exponent = (bits >> 4) & 7;
  const magnitude = (((bits & 15) << 3) + 132) << exponent;
  return (bits & 0x80) !== 0 ? 132 - magnitude : magnitude - 132;
}

/** A sample of 16 bits as one byte of A-law. */
export function aLawOfSample(sample: number): number {
  const sign = sample >= 0 ? 0x80 : 0;
  const magnitude = Math.min(sample >= 0 ? sample : -sample - 1, 32_767) >> 3;
  let bits: number;
  if (magnitude < 32) bits = magnitude >> 1;
  else {
    const exponent = 31 - Math.clz32(magnitude) - 4;
    bits = (exponent << 4) | ((magnitude >> exponent) & 15);
  }
  return (sign | bits) ^ 0x55;
}

const aLaw = Uint8Array.from({ length: 256 }, (_, byte) => aLawOfSample(sampleOfMuLaw(byte)));

/** For cameras that take A-law only. */
export function aLawOfMuLaw(muLaw: Uint8Array): Uint8Array {
  return muLaw.map(byte => aLaw[byte]!);
}
