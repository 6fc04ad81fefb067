import { openSimulatedCameras } from '../simulated-cameras/simulated-cameras.js';

/** The cameras of `benchIngest`: a process of their own, so that their cost is nobody else's. Ends with its parent. */
const [countText = '', bitsText = ''] = process.argv.slice(2);
const server = await openSimulatedCameras({
  port: 0,
  cameras: Array.from({ length: Number(countText) }, (_, index) => ({
    path: `cam${index}`,
    clip: 'entrance' as const,
    padToBitsPerSecond: Number(bitsText),
  })),
});
process.once('disconnect', () => void server[Symbol.asyncDispose]());
process.send?.({ port: server.port });
