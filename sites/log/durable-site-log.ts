import type { CheckpointSource, PulledHistory, ReopenableLog, ReopenOutcome } from '@holdfast/core';

/** What a site keeps its log in: what it has acknowledged is kept, it signs where it stands, and takes lost history back. */
export interface DurableSiteLog extends ReopenableLog, CheckpointSource {
  reopenAs(history: PulledHistory): Promise<ReopenOutcome<DurableSiteLog>>;
}
