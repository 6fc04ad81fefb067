import { flushCompileCache } from 'node:module';
import { runCentral } from '../central.js';
import { CentralConfiguration } from '../configuration/central-configuration.js';
import { benchLogger } from './bench-identity.js';

/** When a central serves. */
export interface BenchCentralReport {
  readonly httpPort: number;
  readonly listenPort: number;
}

/** The central of a benchmark, as `holdfast run` runs it. Ends with its parent. */
const [directory = '', configuration = ''] = process.argv.slice(2);
const stopped = new AbortController();
process.on('SIGTERM', () => stopped.abort());
process.once('disconnect', () => process.exit());
try {
  await runCentral(
    {
      configuration: CentralConfiguration.parse(JSON.parse(configuration)),
      baseDirectory: directory,
      logger: benchLogger,
      onReady: (report: BenchCentralReport) => {
        process.send?.(report);
        // For the next one, also when this one is killed. Does nothing unless the benchmark has named a directory.
        flushCompileCache();
      },
      onChildKnown: () => undefined,
      onEnding: () => undefined,
    },
    stopped.signal,
  );
} catch (error) {
  benchLogger.fatal({ err: error }, 'the central ends');
  process.exit(1);
}
process.exit();
