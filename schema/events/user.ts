import { z } from 'zod';
import { defineEvent, type EventOf } from './event-definition.js';

/** Stream of this file: `sign-ins`. */
export const UserSignedIn = defineEvent(
  'UserSignedIn',
  1,
  z.object({ userName: z.string().max(200), address: z.string().max(100) }),
);
export const SignInRefused = defineEvent(
  'SignInRefused',
  1,
  z.object({ userName: z.string().max(200), address: z.string().max(100) }),
);

export const userEvents = [UserSignedIn, SignInRefused] as const;
export type UserEvent = EventOf<(typeof userEvents)[number]>;
