import path from 'node:path';
import { runDemonstration } from '../demonstration/demonstration.js';
import { createLogger, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';

export interface DemonstrationCommandOptions {
  readonly data: string;
  readonly port: string;
  readonly camera: readonly string[];
  readonly sites: string;
  readonly segmentSeconds: string;
  readonly json: boolean;
}

const SITES_MAX = 100;
const SEGMENT_SECONDS_MIN = 3;
const SEGMENT_SECONDS_MAX = 60;

/** `holdfast demonstration`, which is `npm start`. Returns the exit code. */
export async function demonstrationCommand(options: DemonstrationCommandOptions): Promise<number> {
  const port = Number(options.port);
  const siteCount = Number(options.sites);
  const segmentSeconds = Number(options.segmentSeconds);
  const faults = [
    ...(Number.isInteger(port) && port >= 0 && port <= 65535
      ? []
      : [`--port ${options.port}: expected 0 to 65535`]),
    ...(Number.isInteger(siteCount) && siteCount >= 1 && siteCount <= SITES_MAX
      ? []
      : [`--sites ${options.sites}: expected 1 to ${SITES_MAX}`]),
    ...(segmentSeconds >= SEGMENT_SECONDS_MIN && segmentSeconds <= SEGMENT_SECONDS_MAX
      ? []
      : [
          `--segment-seconds ${options.segmentSeconds}: expected ${SEGMENT_SECONDS_MIN} to ${SEGMENT_SECONDS_MAX}`,
        ]),
    ...options.camera
      .filter(url => !isRtspUrl(url))
      .map(url => `--camera ${url}: expected rtsp://[user:password@]host[:port]/path`),
  ];
  if (faults.length > 0) {
    for (const fault of faults) process.stderr.write(`holdfast: ${fault}\n`);
    return EXIT_WRONG_USE;
  }
  // A person at a terminal wants the address of the console, and to hear of what goes wrong; a script gets everything.
  process.env.HOLDFAST_LOG_LEVEL ??= options.json ? 'info' : 'warn';
  process.stderr.write(
    `holdfast: starting a central, ${siteCount} sites and their cameras in ${path.resolve(options.data)} …\n`,
  );
  await runDemonstration(
    {
      dataDirectory: path.resolve(options.data),
      port,
      siteCount,
      segmentSeconds,
      cameraUrls: options.camera,
      logger: createLogger('demonstration'),
      onReady: ready => {
        process.stdout.write(options.json ? `${JSON.stringify(ready)}\n` : readyText(ready));
      },
    },
    processLifetime(),
  );
  return 0;
}

function readyText(ready: {
  readonly console: string;
  readonly user: string;
  readonly password: string;
}): string {
  return `
  Holdfast is running.

    Console    ${ready.console}
    User       ${ready.user}
    Password   ${ready.password}

  Ctrl-C stops it; a second start continues with the same data.

`;
}

function isRtspUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^rtsps?:$/.test(url.protocol) && url.hostname !== '';
}
