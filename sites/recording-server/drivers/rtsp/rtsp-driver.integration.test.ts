import { driverConformance } from '../driver-conformance.fixture.js';
import { GStreamerCamera, makeClip, whatIsMissing } from './gstreamer-camera.fixture.js';
import { rtspDriver } from './rtsp-driver.js';

const missing = whatIsMissing();
if (missing === null) {
  const clip = await makeClip();
  const test = driverConformance({
    driver: rtspDriver,
    openCamera: ({ port = 0, credentials }) =>
      GStreamerCamera.open({
        ...{ clip: clip.directory, port },
        ...(credentials === undefined ? {} : { user: credentials.userName, password: credentials.password }),
      }),
  });
  test.after(async () => {
    await clip[Symbol.asyncDispose]();
  });
  test.run();
} else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `rtsp-driver.integration: ${missing}`];
}
