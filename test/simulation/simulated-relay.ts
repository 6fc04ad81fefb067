import { decodeRecordedEvent, type RecordedEvent } from '@holdfast/core';
import type { OfferedLog, RelayedLogs } from '@holdfast/interconnect';
import type { SeededRandom } from './seeded-random.js';
import { simulatedHash as sha256 } from './simulated-hash.js';

const PAGE_EVENTS_MAX = 6;
const FORGE_CHANCE = 0.2;

/**
 * What a node relays, in pages as short as only those of a far larger log would be, so that most end short of what its site has
 * signed. While the node is in wrong hands it forges some of it: the bytes of an event are others, and all hashes fit them.
 */
export function relayOf(
  logs: RelayedLogs,
  options: { readonly random: SeededRandom; readonly isForging: () => boolean },
): RelayedLogs {
  const { random, isForging } = options;
  const forge = (event: RecordedEvent): RecordedEvent =>
    isForging() && event.type !== 'LogEpochOpened' && random.chance(FORGE_CHANCE)
      ? decodeRecordedEvent(event.header, Uint8Array.of(...event.data, 33), sha256)
      : event;
  const cut = async function* (
    pages: ReturnType<OfferedLog['subscribe']>,
  ): AsyncGenerator<readonly RecordedEvent[], void, undefined> {
    for await (const page of pages) {
      for (let from = 0; from < page.length; ) {
        const count = 1 + random.below(PAGE_EVENTS_MAX);
        yield page.slice(from, from + count).map(forge);
        from += count;
      }
    }
  };
  return {
    async *follow(signal) {
      for await (const { origin, log } of logs.follow(signal)) {
        yield { origin, log: { ...log, subscribe: page => cut(log.subscribe(page)) } };
      }
    },
  };
}
