import { z } from 'zod';

/** Before there were other drivers than rtsp. */
export const RtspAddress = z
  .string()
  .max(2000)
  .regex(/^rtsps?:\/\/[^@\s]+$/);

/** A URL without user name and password: `rtsp:` or `rtsps:` for the driver rtsp, else `http:` or `https:`. */
export const CameraAddress = z
  .string()
  .max(2000)
  .regex(
    /^(?:rtsps?|https?):\/\/[^@\s]+$/,
    'expected rtsp://host[:port]/path or http://host[:port]/path without user name and password',
  );
