import { CameraAuthorisation } from '../camera-authorisation.js';
import type { RunCameraSession } from '../driver.js';
import { keepConnected } from '../keep-connected.js';
import { streamOnce } from './camera-connection.js';

/** See `RunCameraSession` and `CameraSink` for what is promised. */
export const runCameraSession: RunCameraSession = (options, signal) => {
  const authorisation = new CameraAuthorisation(options);
  const { address, tlsAuthorities, transport = 'AUTO', now, random } = options;
  return keepConnected(options, signal, attempt =>
    streamOnce({ address, authorisation, tlsAuthorities, transport, now, random, ...attempt }, signal),
  );
};
