import type { Backbone, BackboneFrame } from './backbone.js';
import { cutDeliveries } from './cut-deliveries.js';

/** A backbone of one partition that is forgotten: the twin of the durable ones, for tests and simulations. */
export interface MemoryBackbone extends Backbone {
  /** As retention or a lost broker does: everything before this offset is gone. */
  forgetBefore(offset: number): void;
  readonly records: readonly BackboneFrame[];
}

const PARTITION = 0;
const RETRY_DELAY_MS = 5;

export function createMemoryBackbone(): MemoryBackbone {
  const records: BackboneFrame[] = [];
  const waiting = new Set<() => void>();
  let firstKept = 0;
  const moreThan = (offset: number, signal: AbortSignal) =>
    new Promise<void>(resolve => {
      if (records.length > offset || signal.aborted) return resolve();
      const wake = () => {
        waiting.delete(wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  return {
    records,
    watch: async ({ onThere }) => onThere(),
    forgetBefore: offset => {
      firstKept = Math.max(firstKept, offset);
    },
    publish: async frames => {
      records.push(...frames);
      for (const wake of [...waiting]) wake();
    },
    consume: async (reader, signal) => {
      let offset = (await reader.startOf(PARTITION)) ?? 0;
      while (!signal.aborted) {
        offset = Math.max(offset, firstKept);
        await moreThan(offset, signal);
        const kept = records.slice(offset).map((frame, index) => ({ offset: offset + index, frame }));
        for (const delivery of cutDeliveries(PARTITION, kept)) {
          if (signal.aborted) return;
          const outcome = await taken(() => reader.take(delivery));
          if (outcome === 'TAKEN') offset = delivery.next;
          else if (outcome === 'MOVED') offset = (await reader.startOf(PARTITION)) ?? 0;
          if (outcome !== 'TAKEN') break;
        }
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function taken(take: () => Promise<'TAKEN' | 'MOVED'>): Promise<'TAKEN' | 'MOVED' | 'FAILED'> {
  try {
    return await take();
  } catch {
    await new Promise(resolve => setTimeout(resolve, RETRY_DELAY_MS));
    return 'FAILED';
  }
}
