import type { Driver } from '../driver.js';
import { openBackChannel } from './back-channel.js';
import { runCameraSession } from './camera-session.js';

export const rtspDriver: Driver = {
  name: 'rtsp',
  capabilities: { sound: true, transports: true },
  run: runCameraSession,
  openSpeaker: (access, signal) => openBackChannel(access, signal),
};
