import type { DriverName } from '@holdfast/schema';
import type { Driver } from './driver.js';
import { mjpegDriver } from './mjpeg/mjpeg-driver.js';
import { onvifDriver } from './onvif/onvif-driver.js';
import { rtspDriver } from './rtsp/rtsp-driver.js';
import { SimulatedDevices } from './simulated/simulated-devices.js';
import { simulatedDriver } from './simulated/simulated-driver.js';

const drivers: { readonly [Name in DriverName]: Driver } = {
  rtsp: rtspDriver,
  onvif: onvifDriver,
  mjpeg: mjpegDriver,
  // They stand where real devices stand: beside all who speak to them.
  simulated: simulatedDriver(new SimulatedDevices()),
};

export function driverOf(name: DriverName): Driver {
  return drivers[name];
}
