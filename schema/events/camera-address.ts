import { z } from 'zod';

/** Before there were other drivers than rtsp. */
export const RtspAddress = z
  .string()
  .max(2000)
  .regex(/^rtsps?:\/\/[^@\s]+$/);

/** A URL without user name and password: `rtsp:` or `rtsps:` for the driver rtsp, `simulated:` for that one, else `http:` or `https:`. */
export const CameraAddress = z
  .string()
  .max(2000)
  .regex(
    /^(?:(?:rtsps?|https?):\/\/[^@\s]+|simulated:[a-z0-9-]+(?:\/[a-z0-9-]+)?)$/,
    'expected rtsp://host[:port]/path or http://host[:port]/path without user name and password, or simulated:name',
  );

/** Before there were cameras without a network. */
export const NetworkDriverName = z.enum(['rtsp', 'onvif', 'mjpeg']);
export const NetworkAddress = z
  .string()
  .max(2000)
  .regex(/^(?:rtsps?|https?):\/\/[^@\s]+$/);
