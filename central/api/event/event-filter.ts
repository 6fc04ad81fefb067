import { DeviceId, SiteId } from '@holdfast/schema';
import type { EventFilter } from '@holdfast/schema/graphql';
import type { EventQuery } from '../../read-models/event/events.query.js';
import { parseOptionalId } from '../arguments.js';

export function eventQuery(filter: EventFilter | null | undefined): EventQuery {
  return {
    siteId: parseOptionalId(SiteId, filter?.siteId, 'filter.siteId'),
    types: filter?.types ?? null,
    stream: filter?.stream ?? null,
    deviceId: parseOptionalId(DeviceId, filter?.deviceId, 'filter.deviceId'),
    fromMs: filter?.from ?? null,
    toMs: filter?.to ?? null,
  };
}
