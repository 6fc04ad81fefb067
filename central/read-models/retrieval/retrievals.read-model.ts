import type { RetrievalEvent, RetrievalTrigger } from '@holdfast/schema';
import type { z } from 'zod';
import { ModelTable } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface RetrievalRow {
  readonly id: string;
  /** Where the recordings are fetched from. */
  readonly siteId: string;
  readonly deviceId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly trigger: z.infer<typeof RetrievalTrigger>;
  readonly state: 'PENDING' | 'IN_PROGRESS' | 'INTERRUPTED' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
  readonly segmentCount: number | null;
  /** Null before it was started. */
  readonly totalBytes: number | null;
  readonly transferredBytes: number;
  readonly requestedAtMs: number;
  readonly requestedBy: string;
  readonly endedAtMs: number | null;
  readonly detail: string | null;
}

const retrievals = new ModelTable<RetrievalRow>('retrieval', ['id']);

/** Retrievals of this site. Those of a child, which replicate too, are the child's own business. */
export const retrievalsReadModel = defineReadModel({
  name: 'retrievals',
  version: 3,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['retrieval'],
  eventTypes: [
    'RetrievalRequested',
    'RetrievalStarted',
    'RetrievalProgressed',
    'RetrievalInterrupted',
    'RetrievalResumed',
    'RetrievalCompleted',
    'RetrievalFailed',
    'RetrievalCancelled',
  ],
  async fold(events, { tx, ownSite, changed }) {
    const own = events.filter(({ site }) => site === ownSite);
    const rows = await retrievals.load(
      tx,
      'id',
      own.map(({ event }) => event.data.retrievalId),
    );
    for (const { seq, actor, recordedAtMs, event } of own) {
      const id = event.data.retrievalId;
      const row = evolve(rows.get(id), event, { actor, atMs: recordedAtMs });
      rows.set(id, row);
      changed({ kind: 'retrieval', seq, entityId: id, state: row });
    }
    await retrievals.save(tx, rows.values());
  },
});

function evolve(
  retrieval: RetrievalRow | undefined,
  event: RetrievalEvent,
  by: { readonly actor: string; readonly atMs: number },
): RetrievalRow {
  if (event.type === 'RetrievalRequested') {
    const { retrievalId: id, ...request } = event.data;
    return {
      ...{ id, ...request, state: 'PENDING', requestedAtMs: by.atMs, requestedBy: by.actor },
      ...{ segmentCount: null, totalBytes: null, transferredBytes: 0, endedAtMs: null, detail: null },
    };
  }
  if (!retrieval) {
    throw new IndigestibleEventError(`${event.type} of retrieval ${event.data.retrievalId}, never requested`);
  }
  switch (event.type) {
    case 'RetrievalStarted': {
      const { segmentCount, totalBytes } = event.data;
      return { ...retrieval, state: 'IN_PROGRESS', segmentCount, totalBytes, detail: null };
    }
    case 'RetrievalProgressed':
      return { ...retrieval, ...soFar(retrieval, event.data.transferredBytes) };
    case 'RetrievalInterrupted':
      return { ...retrieval, state: 'INTERRUPTED', detail: event.data.cause };
    case 'RetrievalResumed':
      return { ...retrieval, state: 'IN_PROGRESS', detail: null };
    case 'RetrievalCompleted': {
      const { transferredBytes, missing } = event.data;
      const detail = missing.length === 0 ? null : describeMissing(missing);
      const bytes = soFar(retrieval, transferredBytes);
      return { ...retrieval, ...bytes, state: 'COMPLETED', endedAtMs: by.atMs, detail };
    }
    case 'RetrievalFailed': {
      const detail = `${event.data.cause}: ${event.data.detail}`;
      return { ...retrieval, state: 'FAILED', endedAtMs: by.atMs, detail };
    }
    case 'RetrievalCancelled':
      return { ...retrieval, state: 'CANCELLED', endedAtMs: by.atMs };
  }
}

/** What was sealed after the start comes as well: there is never less in all than what came. */
function soFar({ totalBytes }: RetrievalRow, transferredBytes: number) {
  return {
    transferredBytes,
    totalBytes: totalBytes === null ? null : Math.max(totalBytes, transferredBytes),
  };
}

function describeMissing(missing: readonly { readonly cause: string }[]): string {
  const causes = [...new Set(missing.map(span => span.cause))].join(', ');
  return `${missing.length} span${missing.length === 1 ? '' : 's'} could not be had: ${causes}`;
}
