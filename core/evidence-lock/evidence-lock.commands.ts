import type { DeviceId } from '@holdfast/schema';
import type { SiteCommandOf, SiteCommandRefusal } from '../site-command/site-command.js';

export type EvidenceLockCommand =
  | (SiteCommandOf<'CreateEvidenceLock'> & {
      /** Those of `deviceIds` that the site does not have. */
      readonly unknownDeviceIds: readonly DeviceId[];
      readonly nowMs: number;
    })
  | (SiteCommandOf<'ExtendEvidenceLock'> & { readonly nowMs: number })
  | SiteCommandOf<'ReleaseEvidenceLock'>;

export type EvidenceLockRefusal = SiteCommandRefusal<
  | 'EVIDENCE_LOCK_EXISTS'
  | 'EVIDENCE_LOCK_NOT_FOUND'
  | 'EVIDENCE_LOCK_RELEASED'
  | 'EVIDENCE_LOCK_NOT_EXTENDED'
  | 'DEVICE_NOT_FOUND'
  | 'SPAN_EMPTY'
  | 'EXPIRY_PAST'
>;
