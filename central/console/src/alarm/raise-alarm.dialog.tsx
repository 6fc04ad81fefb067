import { Button, Select, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { COMMAND_FIELDS, send, wasTaken } from '../session/command';
import { deviceOptions, OPTIONS_SHOWN_MAX } from '../site/device-options';
import { useSiteDirectory } from '../site/site-directory';
import { SiteSelect } from '../site/site-select';
import { Dialog } from '../ui/dialog';
import { alarmPriorities } from './alarm';

const RAISE = `mutation RaiseAlarm($site: ID, $device: ID, $name: String!, $message: String, $priority: Int) {
  raiseAlarm(siteId: $site, deviceId: $device, name: $name, message: $message, priority: $priority) { ${COMMAND_FIELDS} }
}`;

export function RaiseAlarmDialog({ onClose }: { readonly onClose: () => void }) {
  const directory = useSiteDirectory();
  const [name, setName] = useState('');
  const [message, setMessage] = useState('');
  const [priority, setPriority] = useState('2');
  const [chosenSiteId, setSiteId] = useState<string | null>(null);
  const [deviceId, setDeviceId] = useState<string | null>(null);
  const siteId =
    (deviceId === null ? chosenSiteId : directory.deviceById.get(deviceId)?.site.id) ??
    directory.sites[0]?.id ??
    null;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const variables = {
      site: siteId,
      device: deviceId,
      name: name.trim(),
      message: message.trim() || undefined,
      priority: Number(priority),
    };
    const outcome = await send({
      document: RAISE,
      variables,
      title: `Raise "${name.trim()}"`,
      topics: ['alarms'],
    });
    if (wasTaken(outcome)) onClose();
  };
  return (
    <Dialog onClose={onClose} title="Raise an alarm" data-testid="raise-alarm-dialog">
      <form className="form" onSubmit={submit}>
        <TextInput
          label="Name"
          description="Names of people belong into the message: only that can be erased."
          required
          withAsterisk={false}
          data-autofocus
          maxLength={200}
          value={name}
          onChange={event => setName(event.currentTarget.value)}
        />
        <Textarea
          label="Message"
          autosize
          minRows={2}
          value={message}
          onChange={event => setMessage(event.currentTarget.value)}
        />
        <Select
          label="Device"
          placeholder="None"
          clearable
          allowDeselect
          searchable
          limit={OPTIONS_SHOWN_MAX}
          nothingFoundMessage="No such device"
          data={deviceOptions(directory)}
          value={deviceId}
          onChange={setDeviceId}
        />
        <SiteSelect label="Site" value={siteId} disabled={deviceId !== null} onChange={setSiteId} />
        <Select
          label="Priority"
          data={Object.entries(alarmPriorities).map(([value, { word }]) => ({ value, label: word }))}
          value={priority}
          onChange={value => setPriority(value ?? '2')}
        />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={name.trim() === ''} data-testid="raise-alarm-submit">
            Raise the alarm
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
