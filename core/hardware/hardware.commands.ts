import type { DeviceId } from '@holdfast/schema';
import type { SiteCommandOf, SiteCommandRefusal } from '../site-command/site-command.js';

export type HardwareCommand =
  | (SiteCommandOf<'AddHardware'> & {
      readonly recordingServerKnown: boolean;
      /** Those of the new devices' ids that the site uses already. */
      readonly takenDeviceIds: readonly DeviceId[];
    })
  | SiteCommandOf<'RemoveHardware'>
  | (SiteCommandOf<'MoveHardware'> & { readonly destination: MoveDestination })
  | SiteCommandOf<'ConfigureDevice'>;

/** The recording server that is to take hardware over. HALTED: it accepts no recordings, for that cause. */
export type MoveDestination =
  | { readonly state: 'READY' }
  | { readonly state: 'UNKNOWN' }
  | { readonly state: 'ABSENT' }
  /** It has no storage of that id; those that it has, by name. */
  | { readonly state: 'NO_STORAGE'; readonly names: readonly string[] }
  | { readonly state: 'HALTED'; readonly cause: string };

export type HardwareRefusal = SiteCommandRefusal<
  | 'ADDRESS_NOT_OF_DRIVER'
  | 'HARDWARE_EXISTS'
  | 'HARDWARE_NOT_FOUND'
  | 'HARDWARE_THERE_ALREADY'
  | 'DEVICE_NOT_FOUND'
  | 'DEVICE_EXISTS'
  | 'RECORDING_SERVER_NOT_FOUND'
  | 'RECORDING_SERVER_ABSENT'
  | 'RECORDING_SERVER_HALTED'
  | 'STORAGE_NOT_FOUND'
  | 'NOTHING_ASKED'
>;
