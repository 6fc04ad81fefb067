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

function StageView({ stage }: { readonly stage: StorageStage }) {
  const { path, lockedBytes, fullAt, oldest, unavailableBecause } = stage;
  return (
    <li>
      <div className="clip" title={path ?? undefined}>
        {path ?? 'Media directory'}
      </div>
      <div className="dim">
        {[keptInWords(stage), roomInWords(stage), oldest === null ? '' : `since ${shortTime(oldest)}`]
          .filter(part => part !== '')
          .join(' · ')}
      </div>
      {lockedBytes !== null && lockedBytes > 0 && (
        <div title="Kept for evidence locks: it does not leave">{bytes(lockedBytes)} locked</div>
      )}
      {fullAt !== null && (
        <div
          className="tone-warn"
          title="At the pace of its last day; then recordings leave before their time"
        >
          Full {shortTime(fullAt)}
        </div>
      )}
      {unavailableBecause !== null && (
        <div className="tone-bad">
          <StateMark tone="bad" shape="cross" word="Store unreachable" /> {unavailableBecause}
        </div>
      )}
    </li>
  );
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
      <ul className="storage-stages">
        {stages.map(stage => (
          <StageView key={stage.path ?? ''} stage={stage} />
        ))}
      </ul>
    </details>
  );
}
