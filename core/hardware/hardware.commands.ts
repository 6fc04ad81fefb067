import type { DeviceId } from '@holdfast/schema';
import type { SiteCommandOf, SiteCommandRefusal } from '../site-command/site-command.js';

export type HardwareCommand =
  | (SiteCommandOf<'AddHardware'> & {
      readonly recordingServerKnown: boolean;
      /** Those of the new devices' ids that the site uses already. */
      readonly takenDeviceIds: readonly DeviceId[];
    })
  | SiteCommandOf<'RemoveHardware'>
  | (SiteCommandOf<'MoveHardware'> & { readonly recordingServerKnown: boolean })
  | SiteCommandOf<'ConfigureDevice'>;

export type HardwareRefusal = SiteCommandRefusal<
  | 'ADDRESS_NOT_OF_DRIVER'
  | 'HARDWARE_EXISTS'
  | 'HARDWARE_NOT_FOUND'
  | 'HARDWARE_THERE_ALREADY'
  | 'DEVICE_NOT_FOUND'
  | 'DEVICE_EXISTS'
  | 'RECORDING_SERVER_NOT_FOUND'
  | 'NOTHING_ASKED'
>;
