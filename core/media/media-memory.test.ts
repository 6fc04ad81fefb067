import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { concatenated, type MediaLease, MediaMemory } from './media-memory.js';

const test = suite('media memory');

/** Small, so that access units are spread over many blocks, and blocks are used again soon. */
const BLOCK_BYTES = 256;

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('unit'), byteLength: fc.integer({ min: 1, max: 700 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('cancelled'), byteLength: fc.integer({ min: 1, max: 700 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('taken'), byteLength: fc.integer({ min: 1, max: 700 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('copy'), byteLength: fc.integer({ min: 1, max: 300 }) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish'), byteLength: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop'), byteLength: fc.constant(0) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('release'), byteLength: fc.nat(20) }) },
);

class Model {
  readonly memory = new MediaMemory(BLOCK_BYTES);
  readonly held: {
    readonly bytes: Uint8Array;
    readonly parts: readonly Uint8Array[];
    readonly lease: MediaLease;
  }[] = [];
  #open: Uint8Array[] = [];
  #seed = 0;

  run(kind: string, byteLength: number): void {
    if (kind === 'finish') this.#keep(concatenated(this.#open), this.memory.finish());
    else if (kind === 'drop') {
      this.memory.drop();
      this.#open = [];
    } else if (kind === 'release') this.held.splice(byteLength, 1)[0]?.lease.release();
    else if (kind === 'copy') this.#copy(this.#bytes(byteLength));
    else this.#unit(kind, this.#bytes(byteLength));
    for (const { bytes, parts } of this.held) assert.equal(concatenated(parts), bytes);
  }

  #copy(bytes: Uint8Array): void {
    if (this.#open.length > 0) return;
    const copy = this.memory.copy(bytes, 0, bytes.length);
    assert.is(copy === null, bytes.length > BLOCK_BYTES);
    if (copy === null) return;
    assert.is(copy.parts.length, 1);
    this.#keep(bytes, copy);
  }

  #unit(kind: string, bytes: Uint8Array): void {
    this.memory.beginUnit();
    const middle = bytes.length >> 1;
    this.memory.append(bytes, 0, middle);
    this.memory.append(bytes, middle, bytes.length);
    const beginning = this.memory.unitBeginning();
    assert.ok(beginning.length >= Math.min(bytes.length, 60));
    assert.equal(beginning, bytes.subarray(0, beginning.length));
    if (kind === 'cancelled') this.memory.cancelUnit();
    else if (kind === 'taken') assert.equal(this.memory.takeUnit(), bytes);
    else {
      this.memory.endUnit(bytes.length);
      this.#open.push(Uint8Array.of(0, 0, bytes.length >> 8, bytes.length & 0xff), bytes);
    }
  }

  #keep(
    bytes: Uint8Array,
    copy: { readonly parts: readonly Uint8Array[]; readonly lease: MediaLease },
  ): void {
    this.held.push({ bytes, ...copy });
    this.#open = [];
  }

  #bytes(byteLength: number): Uint8Array {
    this.#seed += 1;
    return Uint8Array.from({ length: byteLength }, (_, index) => (this.#seed * 37 + index * 11) & 0xff);
  }
}

test('what is held stays as it is, whatever is copied, cancelled, dropped and released meanwhile', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const model = new Model();
      for (const { kind, byteLength } of steps) model.run(kind, byteLength);
    }),
    { numRuns: 300 },
  );
});

test('uses the memory again once the last holder has released it, and not before', () => {
  const memory = new MediaMemory(BLOCK_BYTES);
  const fill = (value: number) => memory.copy(new Uint8Array(BLOCK_BYTES).fill(value), 0, BLOCK_BYTES)!;
  const first = fill(1);
  first.lease.hold();
  fill(2).lease.release();
  first.lease.release();
  const third = fill(3);
  assert.not(third.parts[0]!.buffer === first.parts[0]!.buffer);
  assert.is(first.parts[0]![0], 1);
  first.lease.release();
  assert.ok(first.lease.isReleased);
  assert.ok(fill(4).parts[0]!.buffer === first.parts[0]!.buffer);
});

test('a lease that was released can neither be held nor released again', () => {
  const memory = new MediaMemory(BLOCK_BYTES);
  const { lease } = memory.copy(Uint8Array.of(1), 0, 1)!;
  lease.release();
  assert.throws(() => lease.hold(), /released/);
  assert.throws(() => lease.release(), /more often/);
});

test.run();
