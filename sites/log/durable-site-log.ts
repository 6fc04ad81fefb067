import type { CheckpointSource, SiteLog } from '@holdfast/core';

/** What a site keeps its log in: what it has acknowledged is kept, and it signs where it stands. */
export interface DurableSiteLog extends SiteLog, CheckpointSource {}
