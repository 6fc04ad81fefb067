import { z } from 'zod';

/**
 * Every identifier of the system, in one list. Ids are UUIDs in lower-case text form, branded, so that a `DeviceId`
 * cannot stand where a `SiteId` belongs.
 */
const id = <Name extends string>() => z.uuid().brand<Name>();

export const SiteId = id<'SiteId'>();
export const RecordingServerId = id<'RecordingServerId'>();
export const HardwareId = id<'HardwareId'>();
export const DeviceId = id<'DeviceId'>();
export const AlarmId = id<'AlarmId'>();
export const EvidenceLockId = id<'EvidenceLockId'>();
export const BookmarkId = id<'BookmarkId'>();
export const RetrievalId = id<'RetrievalId'>();
export const CommandId = id<'CommandId'>();
export const SegmentId = id<'SegmentId'>();
export const StorageId = id<'StorageId'>();
/** UUIDv7. Unique, and never used for order. */
export const EventId = id<'EventId'>();

export type SiteId = z.infer<typeof SiteId>;
export type RecordingServerId = z.infer<typeof RecordingServerId>;
export type HardwareId = z.infer<typeof HardwareId>;
export type DeviceId = z.infer<typeof DeviceId>;
export type AlarmId = z.infer<typeof AlarmId>;
export type EvidenceLockId = z.infer<typeof EvidenceLockId>;
export type BookmarkId = z.infer<typeof BookmarkId>;
export type RetrievalId = z.infer<typeof RetrievalId>;
export type CommandId = z.infer<typeof CommandId>;
export type SegmentId = z.infer<typeof SegmentId>;
export type StorageId = z.infer<typeof StorageId>;
export type EventId = z.infer<typeof EventId>;
