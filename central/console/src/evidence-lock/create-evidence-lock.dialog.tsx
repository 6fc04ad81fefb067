import { Button, MultiSelect, Select, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { COMMAND_FIELDS, send, wasTaken } from '../session/command';
import { deviceOptions, OPTIONS_SHOWN_MAX } from '../site/device-options';
import { type SiteDirectory, useSiteDirectory } from '../site/site-directory';
import { Dialog } from '../ui/dialog';
import { duration } from '../ui/time';
import { TimeField } from '../ui/time-field';
import { expiryOf, LOCK_LIFETIMES } from './lock-lifetime';

const CREATE = `mutation CreateEvidenceLock($devices: [ID!]!, $from: DateTime!, $to: DateTime!, $headline: String!, $description: String, $expiresAt: DateTime) {
  createEvidenceLock(deviceIds: $devices, from: $from, to: $to, headline: $headline, description: $description, expiresAt: $expiresAt) { ${COMMAND_FIELDS} }
}`;

/** One lock lies in one site's log: devices of several sites give a lock at each. */
function bySite(directory: SiteDirectory, deviceIds: readonly string[]): string[][] {
  return [...Map.groupBy(deviceIds, id => directory.deviceById.get(id)?.site.id ?? '').values()];
}

interface DialogProps {
  readonly deviceIds: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly onClose: () => void;
}

export function CreateEvidenceLockDialog({ deviceIds, fromMs, toMs, onClose }: DialogProps) {
  const directory = useSiteDirectory();
  const [devices, setDevices] = useState([...deviceIds]);
  const [from, setFrom] = useState(fromMs);
  const [to, setTo] = useState(toMs);
  const [headline, setHeadline] = useState('');
  const [description, setDescription] = useState('');
  const [lifetime, setLifetime] = useState('90');
  const [busy, setBusy] = useState(false);
  const lengthMs = to - from;
  const valid = devices.length > 0 && lengthMs > 0 && headline.trim() !== '';
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const left: string[] = [];
    const groups = bySite(directory, devices);
    for (const group of groups) {
      const site = directory.siteById.get(directory.deviceById.get(group[0] ?? '')?.site.id ?? '');
      const where = groups.length > 1 && site !== undefined ? `, ${site.name}` : '';
      const interval = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
      const words = {
        headline: headline.trim(),
        description: description.trim() || undefined,
        expiresAt: expiryOf(lifetime),
      };
      const outcome = await send({
        ...{ document: CREATE, variables: { devices: group, ...interval, ...words } },
        ...{
          title: `Evidence lock: ${headline.trim()}${where}`,
          topics: ['evidence-locks', 'timeline'] as const,
        },
      });
      if (!wasTaken(outcome)) left.push(...group);
    }
    setBusy(false);
    // Another attempt is for those that have no lock yet.
    if (left.length === 0) onClose();
    else setDevices(left);
  };
  return (
    <Dialog onClose={onClose} title="Create an evidence lock" data-testid="create-lock-dialog">
      <form className="form" onSubmit={submit}>
        <TextInput
          label="Headline"
          description="Names of people belong into the description: only that can be erased."
          required
          withAsterisk={false}
          data-autofocus
          maxLength={200}
          value={headline}
          onChange={event => setHeadline(event.currentTarget.value)}
        />
        <Textarea
          label="Description"
          autosize
          minRows={2}
          value={description}
          onChange={event => setDescription(event.currentTarget.value)}
        />
        <MultiSelect
          label="Devices"
          data={deviceOptions(directory)}
          value={devices}
          onChange={setDevices}
          searchable
          limit={OPTIONS_SHOWN_MAX}
          nothingFoundMessage="No such device"
        />
        <div className="row">
          <TimeField label="From" valueMs={from} onTime={setFrom} />
          <TimeField label="To" valueMs={to} onTime={setTo} />
        </div>
        <Select
          label="Keep"
          data={LOCK_LIFETIMES}
          value={lifetime}
          onChange={value => setLifetime(value ?? '90')}
        />
        <p className="dim" style={{ margin: 0, minHeight: 19 }}>
          {lengthMs > 0
            ? `${duration(lengthMs)} of recordings cannot be deleted by anybody while the lock holds.`
            : 'The end lies before the start.'}
        </p>
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={!valid || busy} data-testid="create-lock-submit">
            Create the lock
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
