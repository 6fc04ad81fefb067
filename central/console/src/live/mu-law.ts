/** ITU-T G.711. */
const BIAS = 132;
const CLIP = 32_635;

/** Samples from -1 to 1 as µ-law, a byte each. */
export function muLawOf(samples: Float32Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(samples, sample => {
    const level = Math.round(sample * 32_767);
    const magnitude = Math.min(Math.abs(level), CLIP) + BIAS;
    const exponent = 31 - Math.clz32(magnitude) - 7;
    const bits = (level < 0 ? 0x80 : 0) | (exponent << 4) | ((magnitude >> (exponent + 3)) & 15);
    return ~bits & 0xff;
  });
}
