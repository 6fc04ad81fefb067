import { Button, PasswordInput, Select, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { COMMAND_FIELDS, send, wasTaken } from '../session/command';
import { Dialog } from '../ui/dialog';
import {
  type Device,
  type DeviceStreams,
  type Hardware,
  type Site,
  useSiteDirectory,
} from './site-directory';

const ADD = `mutation AddHardware($site: ID!, $server: ID!, $camera: CameraInput!) {
  addHardware(siteId: $site, recordingServerId: $server, camera: $camera) { ${COMMAND_FIELDS} }
}`;
const MOVE = `mutation MoveHardware($id: ID!, $server: ID!, $storage: ID) {
  moveHardware(id: $id, toRecordingServerId: $server, toStorageId: $storage) { ${COMMAND_FIELDS} } }`;
const UPDATE = `mutation UpdateDevice($id: ID!, $name: String, $enabled: Boolean, $recordingEnabled: Boolean, $streams: DeviceStreamsInput) {
  updateDevice(id: $id, name: $name, enabled: $enabled, recordingEnabled: $recordingEnabled, streams: $streams) { ${COMMAND_FIELDS} }
}`;

export function updateDevice(
  device: Device,
  title: string,
  change: { name?: string; enabled?: boolean; recordingEnabled?: boolean; streams?: DeviceStreams },
) {
  return send({ document: UPDATE, variables: { id: device.id, ...change }, title, topics: ['devices'] });
}

const WRITE_OFF = 'mutation WriteOff($site: ID!) { writeOffSite(siteId: $site) }';

/** Of a storage: none is named. */
const WHERE_IT_BELONGS = '';

const serversOf = (site: Site) =>
  site.recordingServers.map(server => ({ value: server.id, label: server.name }));

/** How a camera is spoken to, and what its address is. */
const drivers = {
  RTSP: { label: 'RTSP', begins: 'rtsp://', means: 'Of its stream' },
  ONVIF: { label: 'ONVIF', begins: 'http://', means: 'Of its device service' },
  MJPEG: { label: 'Pictures over HTTP', begins: 'http://', means: 'Of its pictures' },
  SIMULATED: {
    label: 'Simulated',
    begins: 'simulated:',
    means: 'What it shows (entrance, car-park, platform, corridor)',
  },
} as const;

export function AddCameraDialog({ site, onClose }: { readonly site: Site; readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [driver, setDriver] = useState<keyof typeof drivers>('RTSP');
  const [address, setAddress] = useState<string>(drivers.RTSP.begins);
  const [userName, setUserName] = useState('');
  const [password, setPassword] = useState('');
  const [server, setServer] = useState(site.recordingServers[0]?.id ?? null);
  const { begins, label, means } = drivers[driver];
  const pattern = driver === 'SIMULATED' ? '^simulated:[a-z0-9-]+' : `^${begins.slice(0, 4)}s?://[^/@\\s]+`;
  const validAddress = new RegExp(pattern).test(address);
  const chooseDriver = (chosen: string | null) => {
    const next = (chosen ?? 'RTSP') as keyof typeof drivers;
    if (address === begins) setAddress(drivers[next].begins);
    setDriver(next);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const camera = {
      name: name.trim(),
      driver,
      address: address.trim(),
      userName: userName || null,
      password: password || null,
    };
    const outcome = await send({
      ...{ document: ADD, variables: { site: site.id, server, camera } },
      ...{ title: `Add ${name.trim()}`, topics: ['devices', 'sites'] as const },
    });
    if (wasTaken(outcome)) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Add a camera at ${site.name}`} data-testid="add-camera-dialog">
      <form className="form" onSubmit={submit}>
        <TextInput
          label="Name"
          required
          withAsterisk={false}
          data-autofocus
          value={name}
          onChange={event => setName(event.currentTarget.value)}
        />
        <Select
          label="Driver"
          data={Object.entries(drivers).map(([value, entry]) => ({ value, label: entry.label }))}
          value={driver}
          onChange={chooseDriver}
          allowDeselect={false}
        />
        <TextInput
          label="Address"
          description={driver === 'SIMULATED' ? means : `${means}, as the site reaches it`}
          required
          withAsterisk={false}
          value={address}
          error={
            address !== begins && !validAddress
              ? `An address for ${label} begins with ${begins} and names ${driver === 'SIMULATED' ? 'what it shows' : 'a host'}`
              : undefined
          }
          onChange={event => setAddress(event.currentTarget.value)}
        />
        <div className="row">
          <TextInput
            className="grow"
            label="User name"
            autoComplete="off"
            value={userName}
            onChange={event => setUserName(event.currentTarget.value)}
          />
          <PasswordInput
            className="grow"
            label="Password"
            autoComplete="new-password"
            value={password}
            onChange={event => setPassword(event.currentTarget.value)}
          />
        </div>
        <Select label="Recording server" data={serversOf(site)} value={server} onChange={setServer} />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            disabled={name.trim() === '' || !validAddress || server === null}
            data-testid="add-camera-submit"
          >
            Add the camera
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function MoveHardwareDialog({
  site,
  hardware,
  onClose,
}: {
  readonly site: Site;
  readonly hardware: Hardware;
  readonly onClose: () => void;
}) {
  const targets = serversOf(site).filter(server => server.value !== hardware.recordingServer.id);
  const [target, setTarget] = useState(targets[0]?.value ?? null);
  const [storage, setStorage] = useState(WHERE_IT_BELONGS);
  const storages = (site.recordingServers.find(server => server.id === target)?.storages ?? []).map(
    ({ id, name, haltedBecause }) => ({
      value: id,
      label: haltedBecause === null ? name : `${name} (halted)`,
      disabled: haltedBecause !== null,
    }),
  );
  const chooseTarget = (chosen: string | null) => {
    setTarget(chosen);
    setStorage(WHERE_IT_BELONGS);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const outcome = await send({
      document: MOVE,
      variables: {
        ...{ id: hardware.id, server: target },
        storage: storage === WHERE_IT_BELONGS ? null : storage,
      },
      ...{ title: `Move ${hardware.name}`, topics: ['devices', 'sites'] as const },
    });
    if (wasTaken(outcome)) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Move ${hardware.name}`} data-testid="move-hardware-dialog">
      <form className="form" onSubmit={submit}>
        <p style={{ margin: 0 }}>
          The new server takes over recording at once. What is recorded so far stays where it is until its
          retention and its evidence locks end, and is played and retrieved from there. A server that is not
          running, or has halted, takes nothing over.
        </p>
        <Select
          label="To the recording server"
          data={targets}
          value={target}
          onChange={chooseTarget}
          placeholder="This site has no other"
          data-autofocus
        />
        {storages.length > 1 && (
          <Select
            label="Into its storage"
            data={[
              { value: WHERE_IT_BELONGS, label: 'The one that it had there, else the default' },
              ...storages,
            ]}
            value={storage}
            onChange={chosen => setStorage(chosen ?? WHERE_IT_BELONGS)}
          />
        )}
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={target === null} data-testid="move-hardware-submit">
            Move
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function RenameDeviceDialog({
  device,
  onClose,
}: {
  readonly device: Device;
  readonly onClose: () => void;
}) {
  const [name, setName] = useState(device.name);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (wasTaken(await updateDevice(device, `Rename ${device.name}`, { name: name.trim() }))) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Rename ${device.name}`} size="sm">
      <form className="form" onSubmit={submit}>
        <TextInput
          label="Name"
          data-autofocus
          value={name}
          onChange={event => setName(event.currentTarget.value)}
        />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={name.trim() === '' || name === device.name}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function WriteOffDialog({
  site,
  onClose,
  onDone,
}: {
  readonly site: Site;
  readonly onClose: () => void;
  readonly onDone: () => void;
}) {
  const { siteById } = useSiteDirectory();
  const [asking, setAsking] = useState(false);
  const writeOff = async () => {
    setAsking(true);
    const outcome = await send<{ readonly writeOffSite: readonly string[] }>({
      ...{ document: WRITE_OFF, variables: { site: site.id }, title: `Write off ${site.name}` },
      topics: ['sites', 'events'],
      report: ({ writeOffSite: awaited }) => ({
        tone: awaited.length === 0 ? 'good' : 'waiting',
        text:
          awaited.length === 0
            ? 'No other site is waited for: what is due is deleted again.'
            : `Still waited for: ${awaited.map(id => siteById.get(id)?.name ?? id).join(', ')}.`,
      }),
    });
    setAsking(false);
    if (outcome === 'FAILED') return;
    onClose();
    onDone();
  };
  return (
    <Dialog onClose={onClose} title={`Write off ${site.name}?`} size="md" data-testid="write-off-dialog">
      <div className="form">
        <p style={{ margin: 0 }}>
          Say so only of a site that will never report again, e.g. because it was scrapped. Evidence locks
          that it made and that this central does not know any more then protect no retrieved recordings: what
          is due is deleted, and does not come back.
        </p>
        <p style={{ margin: 0 }}>
          Locks that are known here stay as they are. The log says that it was you. If the site dials again,
          it is waited for again.
        </p>
        <div className="form-actions">
          <Button variant="default" onClick={onClose} data-autofocus>
            Wait for it
          </Button>
          <Button
            color="red"
            loading={asking}
            onClick={() => void writeOff()}
            data-testid="confirm-write-off"
          >
            Write it off
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
