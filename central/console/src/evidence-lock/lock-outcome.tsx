import { type Shape, StateMark, type Tone } from '../ui/state-mark';
import { bytes, duration, shortTime } from '../ui/time';

export type EvidenceLockOutcome = 'PENDING' | 'APPLIED' | 'PARTLY' | 'NOTHING_HELD';
export interface DeviceResult {
  /** Null: it was removed since. */
  readonly device: { readonly name: string } | null;
  readonly outcome: EvidenceLockOutcome;
  readonly byteLength: number | null;
  readonly judgedTo: string | null;
  readonly missing: readonly { readonly from: string; readonly to: string }[];
}

const outcomes: Record<EvidenceLockOutcome, { word: string; tone: Tone; shape: Shape }> = {
  PENDING: { word: 'Pending', tone: 'none', shape: 'ring' },
  APPLIED: { word: 'Held', tone: 'good', shape: 'disc' },
  PARTLY: { word: 'Partly held', tone: 'warn', shape: 'half' },
  NOTHING_HELD: { word: 'Nothing to hold', tone: 'bad', shape: 'ring' },
};

function inWords({ device, outcome, missing }: DeviceResult): string {
  const name = device?.name ?? 'A removed device';
  if (outcome === 'PENDING') return `${name}: its recording server has not answered yet.`;
  if (outcome === 'APPLIED') return `${name}: all of it.`;
  if (outcome === 'NOTHING_HELD') return `${name}: nothing was recorded, or it was gone before the lock.`;
  const spans = missing.map(
    ({ from, to }) => `${shortTime(from)} for ${duration(Date.parse(to) - Date.parse(from))}`,
  );
  return `${name}: without ${spans.join(', ')}.`;
}

/** What a lock holds of its devices: the worst first word, then each device that is not held as a whole. */
export function LockOutcome({
  outcome,
  results,
}: {
  readonly outcome: EvidenceLockOutcome;
  readonly results: readonly DeviceResult[];
}) {
  const size = results.reduce((sum, { byteLength }) => sum + (byteLength ?? 0), 0);
  const lacking = results.filter(result => result.outcome !== 'APPLIED');
  return (
    <details data-testid="lock-outcome">
      <summary>
        <StateMark {...outcomes[outcome]} />
        {size > 0 && <span className="dim"> {bytes(size)}</span>}
      </summary>
      <ul className="dim" style={{ margin: '4px 0 0', paddingLeft: 18 }}>
        {(lacking.length > 0 ? lacking : results).map((result, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a device has one place in its lock.
          <li key={index}>{inWords(result)}</li>
        ))}
      </ul>
    </details>
  );
}
