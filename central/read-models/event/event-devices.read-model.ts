import type { HoldfastEvent } from '@holdfast/schema';
import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

interface EventDeviceRow {
  readonly deviceId: string;
  readonly seq: number;
}

const eventDevices = new ModelTable<EventDeviceRow>('event_device', ['deviceId', 'seq']);

/** Which events speak of a device, so that "everything about this camera" can be asked of the event list. */
export const eventDevicesReadModel = defineReadModel({
  name: 'event-devices',
  version: 3,
  poison: 'skip-and-record',
  checked: 'BY_SITE',
  tables: ['event_device'],
  eventTypes: 'ALL',
  async fold(events, context) {
    await eventDevices.append(
      context,
      events.flatMap(({ seq, event }) => [...devicesOf(event)].map(deviceId => ({ deviceId, seq }))),
    );
  },
});

function devicesOf(event: HoldfastEvent): ReadonlySet<string> {
  const found = new Set<string>();
  const data: object = event.data;
  if ('deviceId' in data) found.add(String(data.deviceId));
  if ('sourceDeviceId' in data && data.sourceDeviceId !== null) found.add(String(data.sourceDeviceId));
  if (event.type === 'EvidenceLockCreated') for (const id of event.data.deviceIds) found.add(id);
  if (event.type === 'HardwareAdded') for (const { deviceId } of event.data.devices) found.add(deviceId);
  return found;
}
