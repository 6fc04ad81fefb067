/** How often each side of a link is heard: below the minute after which carrier NATs forget an idle connection. */
export const HEARTBEAT_MS = 20_000;
/** Beats of silence after which either side takes a link for dead. */
export const HEARTBEATS_MISSED_MAX = 3;
/** A child takes no slower beat than this from its parent: a dead link must be noticed some time. */
export const HEARTBEAT_MS_MAX = 60_000;
/** And none faster than this, which would only keep it busy. */
export const HEARTBEAT_MS_MIN = 10;
