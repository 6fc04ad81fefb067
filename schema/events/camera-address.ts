import { z } from 'zod';

/** A URL without user name and password: `rtsp:` or `rtsps:` for the driver rtsp, else `http:` or `https:`. */
export const CameraAddress = z
  .string()
  .max(2000)
  .regex(
    /^(?:rtsps?|https?):\/\/[^@\s]+$/,
    'expected rtsp://host[:port]/path or http://host[:port]/path without user name and password',
  );
