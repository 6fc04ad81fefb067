import { Button, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useIsAdministrator } from '../session/administrator';
import { useQuery } from '../session/use-query';
import { actorInWords } from '../site/actor';
import { type Device, type SiteDirectory, useSiteDirectory } from '../site/site-directory';
import { Dialog } from '../ui/dialog';
import { clock } from '../ui/time';
import {
  deletePreset,
  goToPreset,
  type Preset,
  type PtzSession,
  presetsOf,
  ptzSessionOf,
  releasePtz,
  renamePreset,
  reservePtz,
  savePreset,
} from './ptz.control';

/** Who has the camera changes while others turn it. */
const SESSION_INTERVAL_MS = 3_000;

function sessionInWords(
  { mine, reserved, until, heldBy, priority }: PtzSession,
  directory: SiteDirectory,
): string {
  if (mine) return `${reserved ? 'Reserved for you' : 'Yours'} until ${clock(until)}`;
  return `${reserved ? 'Reserved by' : 'Turned by'} ${actorInWords(heldBy, directory)} (priority ${priority}) until ${clock(until)}`;
}

/** Who turns the camera, and keeping it for oneself. */
export function PtzSessionLine({ device }: { readonly device: Device }) {
  const directory = useSiteDirectory();
  const ask = () => ptzSessionOf(device.id);
  const { data, error, refetch } = useQuery(`ptz session ${device.id}`, ask, [], SESSION_INTERVAL_MS);
  const isMine = data?.mine === true;
  const change = () => void (isMine ? releasePtz(device) : reservePtz(device)).then(refetch);
  return (
    <div className="ptz-session">
      <span
        className={data === null || isMine ? 'dim' : 'tone-warn'}
        data-testid={`ptz-session-${device.id}`}
      >
        {error?.message ??
          (data === undefined ? '' : data === null ? 'Free' : sessionInWords(data, directory))}
      </span>
      <button type="button" className="plain framed" onClick={change}>
        {isMine ? 'Release' : 'Reserve 10 min'}
      </button>
    </div>
  );
}

type Editing = { readonly what: 'SAVE' } | { readonly what: 'RENAME' | 'DELETE'; readonly preset: Preset };

function PresetDialog({
  device,
  editing,
  onClose,
}: {
  readonly device: Device;
  readonly editing: Editing;
  readonly onClose: (changed: boolean) => void;
}) {
  const [name, setName] = useState(editing.what === 'SAVE' ? '' : editing.preset.name);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const done =
      editing.what === 'SAVE'
        ? await savePreset(device, name.trim())
        : editing.what === 'RENAME'
          ? await renamePreset(device, editing.preset, name.trim())
          : await deletePreset(device, editing.preset);
    if (done) onClose(true);
  };
  const titles = { SAVE: 'Save a preset of', RENAME: 'Rename a preset of', DELETE: 'Delete a preset of' };
  const acts = { SAVE: 'Save the preset', RENAME: 'Rename the preset', DELETE: 'Delete the preset' };
  return (
    <Dialog
      onClose={() => onClose(false)}
      title={`${titles[editing.what]} ${device.name}`}
      data-testid="preset-dialog"
    >
      <form className="form" onSubmit={submit}>
        {editing.what === 'DELETE' ? (
          <p className="dim">“{editing.preset.name || editing.preset.id}” will be gone from the camera.</p>
        ) : (
          <TextInput
            label="Name"
            description={
              editing.what === 'SAVE'
                ? 'Of where the camera stands now'
                : 'Some cameras go there first, and can be named only there'
            }
            required
            withAsterisk={false}
            maxLength={64}
            data-autofocus
            value={name}
            onChange={event => setName(event.currentTarget.value)}
          />
        )}
        <div className="form-actions">
          <Button variant="default" onClick={() => onClose(false)}>
            Cancel
          </Button>
          <Button
            type="submit"
            color={editing.what === 'DELETE' ? 'red' : undefined}
            disabled={editing.what !== 'DELETE' && name.trim() === ''}
          >
            {acts[editing.what]}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function Presets({ device }: { readonly device: Device }) {
  const { data, error, loading, refetch } = useQuery(`presets ${device.id}`, () => presetsOf(device.id), []);
  const administrator = useIsAdministrator();
  const [chosenId, choose] = useState('');
  const [editing, edit] = useState<Editing | null>(null);
  if (error !== undefined) return <span className="tone-bad clip">{error.message}</span>;
  if (data === undefined) return <span className="dim">{loading ? 'Asking for presets' : ''}</span>;
  const chosen = data.find(({ id }) => id === chosenId);
  return (
    <>
      {data.length === 0 ? (
        <span className="dim">No presets</span>
      ) : (
        <div className="preset-choice">
          <select
            aria-label={`Preset of ${device.name}`}
            value={chosen?.id ?? ''}
            onChange={event => {
              const preset = data.find(({ id }) => id === event.currentTarget.value);
              choose(preset?.id ?? '');
              if (preset !== undefined) void goToPreset(device, preset);
            }}
            data-testid={`presets-${device.id}`}
          >
            <option value="">Go to preset</option>
            {data.map(({ id, name }) => (
              <option key={id} value={id}>
                {name || id}
              </option>
            ))}
          </select>
          {chosen !== undefined && (
            <button
              type="button"
              className="plain framed"
              title={`Back to ${chosen.name || chosen.id}`}
              onClick={() => void goToPreset(device, chosen)}
            >
              Go
            </button>
          )}
        </div>
      )}
      {administrator && (
        <div className="preset-edits">
          <button type="button" className="plain framed" onClick={() => edit({ what: 'SAVE' })}>
            Save…
          </button>
          {(['RENAME', 'DELETE'] as const).map(what => (
            <button
              key={what}
              type="button"
              className="plain framed"
              disabled={chosen === undefined}
              onClick={() => chosen !== undefined && edit({ what, preset: chosen })}
            >
              {what === 'RENAME' ? 'Rename…' : 'Delete…'}
            </button>
          ))}
        </div>
      )}
      {editing !== null && (
        <PresetDialog
          device={device}
          editing={editing}
          onClose={changed => {
            edit(null);
            if (changed) refetch();
          }}
        />
      )}
    </>
  );
}
