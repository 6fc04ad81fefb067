import { z } from 'zod';
import { defineEvent, passing, raised } from './event-definition.js';
import { personal } from './personal.js';

const signIn = z.object({ userName: personal({ max: 200 }), address: personal({ max: 100 }) });
const signInVersion1 = z.object({ userName: z.string().max(200), address: z.string().max(100) });

/** Stream of this file: `sign-ins`. */
export const UserSignedIn = passing(
  defineEvent('UserSignedIn', 2, signIn, [raised(signInVersion1, data => data)]),
);
export const SignInRefused = passing(
  defineEvent('SignInRefused', 2, signIn, [raised(signInVersion1, data => data)]),
);

export const userEvents = [UserSignedIn, SignInRefused] as const;
