import { StateMark } from '../ui/state-mark';
import { bytes, shortTime } from '../ui/time';
import type { Storage, StorageStage } from './site-directory';

function keptInWords({ retentionDays, keyFramesOnly }: StorageStage): string {
  if (retentionDays === null) return '';
  return `${retentionDays} days${keyFramesOnly ? ', key frames' : ''}`;
}

function roomInWords({ usageBytes, freeBytes }: StorageStage): string {
  if (usageBytes === null) return 'not told yet';
  return freeBytes === null ? bytes(usageBytes) : `${bytes(usageBytes)}, ${bytes(freeBytes)} free`;
}

/** One storage of a recording server: its live database, then its archives from near to far. */
export function StorageView({ storage }: { readonly storage: Storage }) {
  const { name, encrypted, devices, stages, haltedBecause } = storage;
  const cameras = devices.length === 1 ? '1 camera' : `${devices.length} cameras`;
  return (
    <details data-testid={`storage-${storage.id}`}>
      <summary>
        {name} <span className="dim">{[cameras, ...(encrypted ? ['encrypted'] : [])].join(', ')}</span>{' '}
        {haltedBecause !== null && <StateMark tone="bad" shape="square" word="Halted" />}
      </summary>
      {haltedBecause !== null && <p className="tone-bad">{haltedBecause}</p>}
      <table className="list">
        <tbody>
          {stages.map(stage => (
            <tr key={stage.path ?? ''}>
              <td className="clip" title={stage.path ?? undefined}>
                {stage.path ?? 'Media directory'}
                {stage.unavailableBecause !== null && (
                  <div className="tone-bad">
                    <StateMark tone="bad" shape="cross" word="Store unreachable" /> {stage.unavailableBecause}
                  </div>
                )}
              </td>
              <td className="nowrap">{keptInWords(stage)}</td>
              <td className="nowrap">
                {roomInWords(stage)}
                {stage.lockedBytes !== null && stage.lockedBytes > 0 && (
                  <div title="Kept for evidence locks: it does not leave">
                    {bytes(stage.lockedBytes)} locked
                  </div>
                )}
                {stage.fullAt !== null && (
                  <div
                    className="tone-warn"
                    title="At the pace of its last day; then recordings leave before their time"
                  >
                    full {shortTime(stage.fullAt)}
                  </div>
                )}
                {stage.oldest !== null && <div className="dim">since {shortTime(stage.oldest)}</div>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
