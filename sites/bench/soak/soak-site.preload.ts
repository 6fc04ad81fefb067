// Loaded into the site of a soak before everything else: says how much memory it uses, and makes its disk slow, when told to.
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

export type SoakSiteOrder =
  | { readonly kind: 'TELL_MEMORY' }
  /** 0: as quick as it is. */
  | { readonly kind: 'BE_SLOW'; readonly syncMs: number };

export interface SoakSiteMemory {
  readonly kind: 'MEMORY';
  readonly heapBytes: number;
  /** Buffers, also those of native code. */
  readonly externalBytes: number;
}

let syncMs = 0;

/** Stands in for a slow disk: none can be had to order. Every sync of a file of recordings takes so much longer. */
async function slowDown(): Promise<void> {
  const handle = await open(import.meta.filename, 'r');
  const prototype = Object.getPrototypeOf(handle) as { datasync: () => Promise<void> };
  await handle.close();
  const { datasync } = prototype;
  prototype.datasync = async function (this: unknown) {
    if (syncMs > 0) await delay(syncMs);
    await datasync.call(this);
  };
}

await slowDown();
process.on('message', (order: SoakSiteOrder) => {
  if (order.kind === 'BE_SLOW') syncMs = order.syncMs;
  if (order.kind !== 'TELL_MEMORY') return;
  const { heapUsed, external } = process.memoryUsage();
  const memory: SoakSiteMemory = { kind: 'MEMORY', heapBytes: heapUsed, externalBytes: external };
  process.send?.(memory);
});
