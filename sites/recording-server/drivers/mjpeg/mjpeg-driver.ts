import { CameraAuthorisation } from '../camera-authorisation.js';
import type { Driver, RunCameraSession } from '../driver.js';
import { tellingFormat } from '../format-capabilities.js';
import { keepConnected } from '../keep-connected.js';
import { streamPicturesOnce } from './picture-stream.js';

const run: RunCameraSession = (options, signal) => {
  const authorisation = new CameraAuthorisation(options);
  const { address, tlsAuthorities, now } = options;
  const findBeside = async () => ({ speaker: false, model: '' });
  return keepConnected(tellingFormat(options, signal, findBeside), signal, attempt =>
    streamPicturesOnce({ address, authorisation, tlsAuthorities, now, ...attempt }, signal),
  );
};

/** Any camera that sends JPEG pictures over HTTP: one behind the other in an answer that never ends, or one for each request. */
export const mjpegDriver: Driver = {
  name: 'mjpeg',
  capabilities: { sound: false, transports: false },
  run,
};
