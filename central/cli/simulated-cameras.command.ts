import { clipNames, runSimulatedCameras, simulatedScene } from '@holdfast/sites';
import { processLifetime, reportReady } from './process-lifetime.js';

/** The demonstration's cameras: one per clip, at `rtsp://127.0.0.1:<port>/<clip>`. */
export async function simulatedCamerasCommand(options: { readonly port: number }): Promise<number> {
  await runSimulatedCameras(
    {
      port: options.port,
      cameras: clipNames.map(clip => ({ path: clip, clip, describe: simulatedScene })),
      ready: reportReady,
    },
    processLifetime(),
  );
  return 0;
}
