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
    const rows: EventDeviceRow[] = [];
    for (const { seq, event } of events) {
      for (const deviceId of devicesOf(event)) rows.push({ deviceId, seq });
    }
    await eventDevices.append(context, rows);
  },
});

function devicesOf(event: HoldfastEvent): Iterable<string> {
  const found: string[] = [];
  const data: object = event.data;
  if ('deviceId' in data) found.push(String(data.deviceId));
  if ('sourceDeviceId' in data && data.sourceDeviceId !== null) found.push(String(data.sourceDeviceId));
  if (event.type === 'EvidenceLockCreated') found.push(...event.data.deviceIds);
  if (event.type === 'HardwareAdded') for (const { deviceId } of event.data.devices) found.push(deviceId);
  return found.length > 1 ? new Set(found) : found;
}
