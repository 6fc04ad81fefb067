import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import type { Backbone, BackboneDelivery, BackboneFrame, BackboneReader } from './backbone.js';

/** Registers a test: uvu's `suite` fits. */
type TestRegistrar = (title: string, run: () => Promise<void>) => void;

const WAIT_MS_MAX = 30_000;

/** What every backbone must do. Each adapter's own test file calls this; every `open` gives an empty one. */
export function describeBackbone(test: TestRegistrar, open: () => Promise<Backbone>): void {
  test('frames come out byte for byte, and those of one site in the order in which they were published', async () => {
    await using backbone = await open();
    const sites = [newSite(), newSite(), newSite()];
    const published = sites.map(site => Array.from({ length: 20 }, (_, index) => frameOf(site, index + 1)));
    await using reading = read(backbone, new ListReader());
    await Promise.all(
      published.map(async frames => {
        for (let from = 0; from < frames.length; from += 4)
          await backbone.publish(frames.slice(from, from + 4));
      }),
    );
    await reading.reader.holds(60);
    for (const [index, site] of sites.entries()) {
      const taken = reading.reader.frames.filter(frame => frame.site === site);
      assert.deepEqual(taken.map(plain), published[index]!.map(plain));
    }
  });

  test('a reader begins where it says that it stopped, also when it was further before', async () => {
    await using backbone = await open();
    const site = newSite();
    await backbone.publish([1, 2, 3].map(position => frameOf(site, position)));
    const first = new ListReader();
    {
      await using _reading = read(backbone, first);
      await first.holds(3);
    }
    const again = new ListReader();
    for (const partition of first.positions.keys()) again.positions.set(partition, 0);
    await using _reading = read(backbone, again);
    await again.holds(3);
    assert.deepEqual(again.frames.map(plain), first.frames.map(plain));
  });

  test('what a reader could not store comes again, and nothing behind it comes before', async () => {
    await using backbone = await open();
    const site = newSite();
    const reader = new ListReader();
    let failures = 2;
    reader.before = () => {
      if (failures > 0) {
        failures -= 1;
        throw new Error('the database is away');
      }
    };
    await using _reading = read(backbone, reader);
    for (let position = 1; position <= 5; position += 1) await backbone.publish([frameOf(site, position)]);
    await reader.holds(5);
    assert.deepEqual(reader.positionsOf(site), [1, 2, 3, 4, 5]);
  });

  test('a reader that another node has overtaken goes on where that one stands', async () => {
    await using backbone = await open();
    const site = newSite();
    const reader = new ListReader();
    await backbone.publish([1, 2, 3, 4].map(position => frameOf(site, position)));
    let isOvertaken = true;
    reader.overtaken = ({ partition, from }) => {
      if (!isOvertaken) return false;
      isOvertaken = false;
      reader.positions.set(partition, from + 2);
      return true;
    };
    await using _reading = read(backbone, reader);
    await reader.holds(2);
    assert.deepEqual(reader.positionsOf(site), [3, 4]);
  });
}

/** Stores in memory what it takes, as a database would: with its positions. */
class ListReader implements BackboneReader {
  readonly frames: BackboneFrame[] = [];
  readonly positions = new Map<number, number>();
  before: () => void = () => undefined;
  overtaken: (delivery: BackboneDelivery) => boolean = () => false;

  async startOf(partition: number): Promise<number | null> {
    return this.positions.get(partition) ?? null;
  }

  async take(delivery: BackboneDelivery): Promise<'TAKEN' | 'MOVED'> {
    this.before();
    if (this.overtaken(delivery)) return 'MOVED';
    this.frames.push(...delivery.frames);
    this.positions.set(delivery.partition, delivery.next);
    return 'TAKEN';
  }

  positionsOf(site: SiteId): readonly number[] {
    return this.frames.filter(frame => frame.site === site).map(({ frame }) => frame.firstPosition);
  }

  async holds(count: number): Promise<void> {
    const deadline = Date.now() + WAIT_MS_MAX;
    while (this.frames.length < count) {
      if (Date.now() > deadline) assert.fail(`${this.frames.length} of ${count} frames came`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }
}

function read(backbone: Backbone, reader: ListReader) {
  const stopping = new AbortController();
  const running = backbone.consume(reader, stopping.signal);
  return {
    reader,
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await running;
    },
  };
}

function newSite(): SiteId {
  return SiteId.parse(v7());
}

/** A backbone looks into no frame, so any bytes will do. */
function frameOf(site: SiteId, position: number): BackboneFrame {
  const events = randomBytes(400);
  const frame = {
    ...{ kind: 'batch' as const, origin: site, checkpoint: null, consistency: [] },
    ...{ epoch: 1, firstPosition: position, count: 1, codec: 'IDENTITY' as const },
    ...{ rawByteLength: events.length, root: randomBytes(32), events },
  };
  return { site, session: 7, frame };
}

function plain({ site, session, frame }: BackboneFrame) {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return { site, session, ...frame, events: hex(frame.events), root: hex(frame.root) };
}
