import { readFileSync } from 'node:fs';

/** Linux. */
export function residentBytes(processId: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}
