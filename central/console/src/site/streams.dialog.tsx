import { Button, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { wasTaken } from '../session/command';
import { Dialog } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { updateDevice } from './site-dialogs';
import { type Device, type DeviceStreams, type OfferedStream, useSiteDirectory } from './site-directory';

const STREAMS_MAX = 8;

interface Row {
  readonly key: number;
  readonly name: string;
  readonly address: string;
}

interface Choice {
  readonly rows: readonly Row[];
  /** Keys of rows. */
  readonly recorded: number;
  readonly live: number;
  readonly motion: number;
}

const purposes = [
  { purpose: 'recorded', label: 'Recorded' },
  { purpose: 'live', label: 'Live' },
  { purpose: 'motion', label: 'Motion' },
] as const;

function choiceOf({ streams, recorded, live, motion }: DeviceStreams): Choice {
  const rows = streams.map((stream, key) => ({ key, ...stream }));
  const keyOf = (name: string) => rows.find(row => row.name === name)?.key ?? 0;
  return { rows, recorded: keyOf(recorded), live: keyOf(live), motion: keyOf(motion ?? recorded) };
}

function streamsOf({ rows, ...chosen }: Choice): DeviceStreams {
  const nameOf = (key: number) => rows.find(row => row.key === key)?.name.trim() ?? '';
  return {
    streams: rows.map(({ name, address }) => ({ name: name.trim(), address: address.trim() })),
    recorded: nameOf(chosen.recorded),
    live: nameOf(chosen.live),
    motion: chosen.motion === chosen.recorded ? null : nameOf(chosen.motion),
  };
}

/** What keeps it from being sent; null: nothing. */
function faultOf(rows: readonly Row[]): string | null {
  const names = rows.map(row => row.name.trim());
  if (names.includes('')) return 'Give each stream a name';
  if (new Set(names).size < names.length) return 'Two streams have the same name';
  const wrong = rows.find(row => !/^((rtsps?|https?):\/\/|simulated:)[^@\s]+$/.test(row.address.trim()));
  return wrong === undefined
    ? null
    : `The address of ${wrong.name} must begin with rtsp:// or http://, without user name and password`;
}

const inWords = ({ name, encoding, width, height }: OfferedStream): string =>
  [name, encoding, width > 0 ? `${width} × ${height}` : ''].filter(word => word !== '').join(', ');

function StreamRow({
  row,
  choice,
  onChange,
}: {
  readonly row: Row;
  readonly choice: Choice;
  readonly onChange: (choice: Choice) => void;
}) {
  const rename = (change: Partial<Row>) =>
    onChange({
      ...choice,
      rows: choice.rows.map(other => (other.key === row.key ? { ...other, ...change } : other)),
    });
  const isUsed = purposes.some(({ purpose }) => choice[purpose] === row.key);
  return (
    <tr>
      <td>
        <TextInput
          aria-label="Name"
          value={row.name}
          onChange={event => rename({ name: event.currentTarget.value })}
        />
      </td>
      <td className="stream-address">
        <TextInput
          aria-label={`Address of ${row.name}`}
          value={row.address}
          onChange={event => rename({ address: event.currentTarget.value })}
        />
      </td>
      {purposes.map(({ purpose, label }) => (
        <td key={purpose} className="stream-purpose">
          <input
            type="radio"
            name={purpose}
            aria-label={`${label}: ${row.name}`}
            checked={choice[purpose] === row.key}
            onChange={() => onChange({ ...choice, [purpose]: row.key })}
          />
        </td>
      ))}
      <td>
        <button
          type="button"
          className="plain square"
          aria-label={`Remove ${row.name}`}
          title={isUsed ? 'It is used: choose another stream for that first' : 'Remove'}
          disabled={isUsed}
          onClick={() => onChange({ ...choice, rows: choice.rows.filter(other => other.key !== row.key) })}
        >
          <Icon name="close" size={13} />
        </button>
      </td>
    </tr>
  );
}

export function StreamsDialog({
  device,
  onClose,
}: {
  readonly device: Device;
  readonly onClose: () => void;
}) {
  const [before, setBefore] = useState(device.streams as DeviceStreams);
  const [choice, setChoice] = useState(() => choiceOf(before));
  const now = useSiteDirectory().deviceById.get(device.id)?.streams ?? before;
  const isOvertaken = JSON.stringify(now) !== JSON.stringify(before);
  const beginAnew = () => {
    setBefore(now);
    setChoice(choiceOf(now));
  };
  const fault = faultOf(choice.rows);
  const offered = (device.hardware.capabilities?.streams ?? []).filter(
    ({ address }) => !choice.rows.some(row => row.address === address),
  );
  const add = (name: string, address: string) => {
    const key = Math.max(...choice.rows.map(row => row.key)) + 1;
    setChoice({ ...choice, rows: [...choice.rows, { key, name, address }] });
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const outcome = await updateDevice(device, `Streams of ${device.name}`, { streams: streamsOf(choice) });
    if (wasTaken(outcome)) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Streams of ${device.name}`} size="xl" data-testid="streams-dialog">
      <form className="form" onSubmit={submit}>
        <p className="dim" style={{ margin: 0 }}>
          What is recorded runs all the time. The others run while somebody watches them, or while motion is
          looked for in them. Another recorded stream interrupts the recording for a moment.
        </p>
        <table className="list streams">
          <thead>
            <tr>
              <th>Name</th>
              <th>Address, as the site reaches it</th>
              {purposes.map(({ purpose, label }) => (
                <th key={purpose}>{label}</th>
              ))}
              <th>
                <span className="hidden-text">Remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {choice.rows.map(row => (
              <StreamRow key={row.key} row={row} choice={choice} onChange={setChoice} />
            ))}
          </tbody>
        </table>
        <div className="row wrap">
          {offered.map(stream => (
            <button
              key={stream.address}
              type="button"
              className="plain framed"
              disabled={choice.rows.length >= STREAMS_MAX}
              onClick={() => add(stream.name, stream.address)}
            >
              <Icon name="plus" size={13} />
              {inWords(stream)}
            </button>
          ))}
          <button
            type="button"
            className="plain framed"
            disabled={choice.rows.length >= STREAMS_MAX}
            onClick={() => add('', device.hardware.address)}
          >
            <Icon name="plus" size={13} />
            Another address
          </button>
        </div>
        {isOvertaken && (
          <p className="row tone-warn" role="alert">
            These streams were altered since this was opened. Saving would undo that.
            <button type="button" className="plain framed" onClick={beginAnew}>
              Show them as they are now
            </button>
          </p>
        )}
        {fault !== null && <p className="tone-bad">{fault}</p>}
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={fault !== null || isOvertaken} data-testid="streams-submit">
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
