import type { Driver } from '../driver.js';
import { runCameraSession } from './camera-session.js';

export const rtspDriver: Driver = {
  name: 'rtsp',
  capabilities: { sound: true, transports: true },
  run: runCameraSession,
};
