import { CameraAuthorisation } from '../camera-authorisation.js';
import type { RunCameraSession } from '../driver.js';
import { tellingFormat } from '../format-capabilities.js';
import { keepConnected } from '../keep-connected.js';
import { findBackChannel } from './back-channel.js';
import { streamOnce } from './camera-connection.js';

/** See `RunCameraSession` and `CameraSink` for what is promised. */
export const runCameraSession: RunCameraSession = (options, signal) => {
  const authorisation = new CameraAuthorisation(options);
  const { address, tlsAuthorities, transport = 'AUTO', now, random } = options;
  // Beside a tunnel nothing else gets through.
  const findBeside = async () =>
    transport === 'HTTP' ? { speaker: false, model: '' } : findBackChannel(options, signal);
  return keepConnected(tellingFormat(options, signal, findBeside), signal, attempt =>
    streamOnce({ address, authorisation, tlsAuthorities, transport, now, random, ...attempt }, signal),
  );
};
