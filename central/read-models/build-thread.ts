import { Worker } from 'node:worker_threads';
import type { SiteId } from '@holdfast/schema';
import type { DatabaseTarget } from '../postgres/database.js';
import type { BuildOutcome, ProjectionBuilderOptions } from './projection-builder.js';
import type { QuarantineRow } from './quarantine.js';

/** What a batch is made of lives until it is written: with room for it, half of the garbage collection is spared. */
const YOUNG_GENERATION_MB = 128;

export interface BuildThreadData {
  readonly target: DatabaseTarget;
  readonly ownSite: SiteId;
}

export type BuildReport =
  | { readonly kind: 'QUARANTINED'; readonly row: QuarantineRow }
  | {
      readonly kind: 'GIVEN_UP';
      readonly facts: { readonly projection: string; readonly seq: number; readonly reason: string };
    }
  | { readonly kind: 'ENDED'; readonly outcome: BuildOutcome };

/** As `ProjectionBuilder.buildNext` of the projections of this software, in a thread of its own. */
export async function buildNextInThread(
  data: BuildThreadData,
  reports: Pick<ProjectionBuilderOptions, 'onQuarantined' | 'onGivenUp'>,
  signal: AbortSignal,
): Promise<BuildOutcome> {
  const worker = new Worker(new URL('./projection-build.worker.js', import.meta.url), {
    ...{ workerData: data, name: 'projection build' },
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const stop = () => worker.postMessage('STOP');
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await new Promise<BuildOutcome>((resolve, reject) => {
      let outcome: BuildOutcome | null = null;
      worker.on('message', (report: BuildReport) => {
        if (report.kind === 'QUARANTINED') reports.onQuarantined(report.row);
        else if (report.kind === 'GIVEN_UP') reports.onGivenUp(report.facts);
        else outcome = report.outcome;
      });
      worker.once('error', reject);
      worker.once('exit', code => {
        if (outcome !== null) resolve(outcome);
        else reject(new Error(`the thread that builds projections ended with code ${code}`));
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
