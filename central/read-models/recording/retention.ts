const DAY_MS = 24 * 3600 * 1000;

export interface RetentionRow {
  readonly id: string;
  readonly retentionDays: number | null;
  readonly byteLengthMax: number | null;
}

/** The shortest of these servers. Null when one has not said it, or may delete earlier for the space it takes. */
export function retentionMsOf(
  serverIds: readonly string[],
  retentions: readonly RetentionRow[],
): number | null {
  const days = [...new Set(serverIds)].map(serverId => {
    const row = retentions.find(({ id }) => id === serverId);
    return row === undefined || row.byteLengthMax !== null ? null : row.retentionDays;
  });
  const known = days.filter(value => value !== null);
  return known.length === 0 || known.length < days.length ? null : Math.min(...known) * DAY_MS;
}
