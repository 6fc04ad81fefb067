import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { aLawOfMuLaw, aLawOfSample, sampleOfMuLaw } from './g711.js';

const test = suite('G.711');

test('reads µ-law as the standard has it', () => {
  // Table 2a of G.711, scaled to 16 bits: the loudest, the quietest, and silence of either sign.
  assert.equal([0x00, 0x80, 0x7f, 0xff, 0xf0, 0x8f].map(sampleOfMuLaw), [-32124, 32124, 0, 0, 120, 16764]);
});

test('writes A-law as the standard has it', () => {
  assert.equal([0, -1, 8, 32_767, -32_768, 1000].map(aLawOfSample), [0xd5, 0x55, 0xd5, 0xaa, 0x2a, 0xfa]);
});

test('µ-law becomes A-law without being louder or quieter by more than a step', () => {
  const muLaw = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  for (const [byte, converted] of aLawOfMuLaw(muLaw).entries()) {
    const before = sampleOfMuLaw(byte);
    const after = sampleOfALaw(converted);
    assert.ok(Math.abs(after - before) <= Math.max(16, Math.abs(before) / 16), `${before} became ${after}`);
  }
});

/** The inverse, as ITU-T has it. */
function sampleOfALaw(byte: number): number {
  const bits = byte ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = bits & 15;
  const magnitude = exponent === 0 ? (mantissa << 4) + 8 : ((mantissa << 4) + 264) << (exponent - 1);
  return (bits & 0x80) !== 0 ? magnitude : -magnitude;
}

test.run();
