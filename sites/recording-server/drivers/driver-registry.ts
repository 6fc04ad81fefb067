import type { DriverName } from '@holdfast/schema';
import type { Driver } from './driver.js';
import { mjpegDriver } from './mjpeg/mjpeg-driver.js';
import { onvifDriver } from './onvif/onvif-driver.js';
import { rtspDriver } from './rtsp/rtsp-driver.js';

const drivers: { readonly [Name in DriverName]: Driver } = {
  rtsp: rtspDriver,
  onvif: onvifDriver,
  mjpeg: mjpegDriver,
};

export function driverOf(name: DriverName): Driver {
  return drivers[name];
}
