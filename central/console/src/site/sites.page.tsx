import { Switch } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useIsAdministrator } from '../session/administrator';
import { go, hrefOf, type Place } from '../shell/place';
import { Empty, Fact, ListFoot, NotListed } from '../ui/field';
import { Icon } from '../ui/icon';
import { StateMark } from '../ui/state-mark';
import { dayAndClock, duration, shortTime, shortTimeInZone, useNow, zoneAt } from '../ui/time';
import { LinkControl } from './link-control';
import {
  AddCameraDialog,
  MoveHardwareDialog,
  RenameDeviceDialog,
  updateDevice,
  WriteOffDialog,
} from './site-dialogs';
import {
  type Device,
  type Hardware,
  type RecordingServer,
  type Site,
  useSiteDirectory,
} from './site-directory';
import { lagOf, stateOfDevice, stateOfLink } from './state-of';
import { StorageView } from './storage-view';
import { StreamsDialog } from './streams.dialog';
import './sites.css';

function LinkPanel({ site, nowMs }: { readonly site: Site; readonly nowMs: number }) {
  const { link } = site;
  if (link === null)
    return (
      <section className="panel">
        <h2>Link</h2>
        <p className="dim">This is the central that answers you. It needs no link.</p>
      </section>
    );
  const state = stateOfLink(link, nowMs);
  const lag = lagOf(link);
  return (
    <section className="panel">
      <h2>Link</h2>
      <dl className="facts">
        <Fact name="State">
          <StateMark {...state} />
        </Fact>
        <Fact name="Since">
          {shortTimeInZone(link.since, nowMs)}, {duration(nowMs - Date.parse(link.since))}
        </Fact>
        <Fact name="Lag">
          {lag === null
            ? 'not known: the site has not said how far it is'
            : lag === 0
              ? 'none'
              : `${lag} events`}
        </Fact>
        <Fact name="Round trip">
          {link.roundTripMs === null ? 'not known' : `${link.roundTripMs.toFixed(1)} ms`}
        </Fact>
        <Fact name="Clock offset">
          {link.clockOffsetMs === null ? 'not known' : `${link.clockOffsetMs.toFixed(1)} ms`}
        </Fact>
      </dl>
      <LinkControl site={site} />
      {site.awaited && link.state !== 'UP' && <Awaited site={site} />}
    </section>
  );
}

/** After this central was restored: what the site had locked meanwhile is not known here. */
function Awaited({ site }: { readonly site: Site }) {
  const administrator = useIsAdministrator();
  const [dialog, setDialog] = useState<'ASKING' | 'DONE' | null>(null);
  if (dialog === 'DONE') return <p className="dim">It is written off.</p>;
  return (
    <>
      <p className="tone-warn">
        This central knew more of this site than it does now. What the site has locked since then is not
        known, so no retrieved recording of any site is deleted here until it has reported again.
      </p>
      {administrator && (
        <button
          type="button"
          className="plain framed"
          title="It will never report again"
          onClick={() => setDialog('ASKING')}
          data-testid={`write-off-${site.id}`}
        >
          Write off …
        </button>
      )}
      {dialog === 'ASKING' && (
        <WriteOffDialog site={site} onClose={() => setDialog(null)} onDone={() => setDialog('DONE')} />
      )}
    </>
  );
}

function LogPanel({ site, nowMs }: { readonly site: Site; readonly nowMs: number }) {
  const { log } = site;
  return (
    <section className="panel">
      <h2>Log</h2>
      <dl className="facts">
        <Fact name="Epoch">{log.epoch}</Fact>
        <Fact name="Size">{log.size.toLocaleString('en')} events</Fact>
        <Fact name="Root">
          <span className="mono" title={log.root}>
            {log.root === '' ? 'none yet' : `${log.root.slice(0, 16)}…`}
          </span>
        </Fact>
        <Fact name="Verified">
          {site.link === null ? (
            <span className="dim">it is the original</span>
          ) : log.verifiedAt === null ? (
            <StateMark tone="none" shape="ring" word="Not yet" />
          ) : (
            <StateMark tone="good" shape="disc" word={shortTimeInZone(log.verifiedAt, nowMs)} />
          )}
        </Fact>
      </dl>
      <a className="plain framed" href={hrefOf('events', null, { site: site.id })}>
        Events
      </a>
    </section>
  );
}

function ServersPanel({ site, devices }: { readonly site: Site; readonly devices: readonly Device[] }) {
  const count = (server: RecordingServer) =>
    devices.filter(device => device.hardware.recordingServer.id === server.id).length;
  return (
    <section className="panel">
      <h2>Recording servers</h2>
      <ul className="servers">
        {site.recordingServers.map(server => (
          <li key={server.id} data-testid={`recording-server-${server.id}`}>
            <span className="row">
              <span className="grow clip">{server.name}</span>
              <span className="dim nowrap">
                {count(server) === 1 ? '1 device' : `${count(server)} devices`}
              </span>
              {server.recording ? (
                <StateMark tone="good" shape="disc" word="Recording" />
              ) : (
                <StateMark tone="bad" shape="square" word="Halted" />
              )}
            </span>
            {server.haltedBecause !== null && <p className="tone-bad">{server.haltedBecause}</p>}
            {server.storages.map(storage => (
              <StorageView key={storage.id} storage={storage} />
            ))}
          </li>
        ))}
      </ul>
      {site.recordingServers.length === 0 && <p className="dim">None is known.</p>}
    </section>
  );
}

interface Actions {
  readonly onMove: (hardware: Hardware) => void;
  readonly onRename: (device: Device) => void;
  readonly onStreams: (device: Device) => void;
}

/** How it is spoken to, and what it calls itself. */
function kindOf({ driver, capabilities }: Hardware): string {
  const made = capabilities === null ? '' : `${capabilities.manufacturer} ${capabilities.model}`.trim();
  return [driver ?? '', made].filter(word => word !== '').join(', ');
}

function DeviceLine({
  device,
  site,
  nowMs,
  first,
  onMove,
  onRename,
  onStreams,
}: {
  readonly device: Device;
  readonly site: Site;
  readonly nowMs: number;
  readonly first: boolean;
} & Actions) {
  const state = stateOfDevice(device, site, nowMs);
  const { hardware } = device;
  const server = site.recordingServers.find(item => item.id === hardware.recordingServer.id);
  const set = (title: string, change: { enabled?: boolean; recordingEnabled?: boolean }) =>
    void updateDevice(device, title, change);
  return (
    <tr data-testid={`device-${device.id}`} className={first ? 'first-of-hardware' : ''}>
      <td className="hardware-name">
        {first && (
          <>
            <span title={hardware.address}>{hardware.name}</span>
            <div className="dim">{kindOf(hardware)}</div>
          </>
        )}
      </td>
      <td className="nowrap">
        <span className="row">
          <Icon
            name={device.type === 'CAMERA' ? 'camera' : device.type === 'MICROPHONE' ? 'microphone' : 'other'}
            size={14}
          />
          {device.name}
          <button
            type="button"
            className="plain square"
            aria-label={`Rename ${device.name}`}
            title="Rename"
            onClick={() => onRename(device)}
          >
            <Icon name="edit" size={13} />
          </button>
          {device.streams !== null && (
            <button
              type="button"
              className="plain framed"
              title="Which streams the camera is asked for, and what each is for"
              onClick={() => onStreams(device)}
              data-testid={`streams-${device.id}`}
            >
              {device.streams.streams.length === 1 ? '1 stream' : `${device.streams.streams.length} streams`}
            </button>
          )}
        </span>
      </td>
      <td className="device-state">
        <StateMark {...state} />
        <div className="dim">{state.detail}</div>
      </td>
      <td>
        <Switch
          aria-label={`${device.name} enabled`}
          checked={device.enabled}
          onChange={event =>
            set(`${event.currentTarget.checked ? 'Enable' : 'Disable'} ${device.name}`, {
              enabled: event.currentTarget.checked,
            })
          }
        />
      </td>
      <td>
        <Switch
          aria-label={`${device.name} recorded`}
          checked={device.recordingEnabled}
          disabled={!device.enabled}
          onChange={event =>
            set(`${event.currentTarget.checked ? 'Record' : 'Do not record'} ${device.name}`, {
              recordingEnabled: event.currentTarget.checked,
            })
          }
        />
      </td>
      <td className="nowrap">
        {first && (
          <span className="row">
            <span className="grow">{server?.name ?? 'not known'}</span>
            <button
              type="button"
              className="plain framed"
              onClick={() => onMove(hardware)}
              data-testid={`move-${hardware.id}`}
            >
              <Icon name="move" size={13} />
              Move
            </button>
          </span>
        )}
      </td>
    </tr>
  );
}

function DeviceTable({
  site,
  devices,
  nowMs,
  ...actions
}: { readonly site: Site; readonly devices: readonly Device[]; readonly nowMs: number } & Actions) {
  const byHardware = [...Map.groupBy(devices, device => device.hardware.id).values()];
  return (
    <table className="list" data-testid="hardware-list">
      <thead>
        <tr>
          <th>Hardware</th>
          <th>Device</th>
          <th>State</th>
          <th>Enabled</th>
          <th>Record</th>
          <th>Recording server</th>
        </tr>
      </thead>
      <tbody>
        {byHardware.flatMap(group =>
          group.map((device, index) => (
            <DeviceLine
              key={device.id}
              device={device}
              site={site}
              nowMs={nowMs}
              first={index === 0}
              {...actions}
            />
          )),
        )}
      </tbody>
    </table>
  );
}

type Dialog =
  | { readonly kind: 'add' }
  | { readonly kind: 'move'; readonly hardware: Hardware }
  | { readonly kind: 'rename'; readonly device: Device }
  | { readonly kind: 'streams'; readonly device: Device };

function SiteView({ site }: { readonly site: Site }) {
  const directory = useSiteDirectory();
  const nowMs = useNow(1000);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const devices = directory.devices.filter(device => device.site.id === site.id);
  const close = () => setDialog(null);
  const down = site.link?.state === 'DOWN';
  return (
    <div className="page">
      <header className="page-head">
        <h1>{site.name}</h1>
        {down && (
          <span className="tone-warn">
            Nothing is known of this site since {dayAndClock(site.link?.since ?? nowMs)}. What is asked of it
            waits for its link.
          </span>
        )}
        <span className="grow" />
        <button
          type="button"
          className="plain framed"
          onClick={() => setDialog({ kind: 'add' })}
          disabled={site.recordingServers.length === 0}
          data-testid="add-camera"
        >
          <Icon name="plus" size={13} />
          Add a camera
        </button>
      </header>
      <div className="table-scroll">
        <div className="panels">
          <LinkPanel site={site} nowMs={nowMs} />
          <LogPanel site={site} nowMs={nowMs} />
          <ServersPanel site={site} devices={devices} />
        </div>
        <DeviceTable
          site={site}
          devices={devices}
          nowMs={nowMs}
          onMove={hardware => setDialog({ kind: 'move', hardware })}
          onRename={device => setDialog({ kind: 'rename', device })}
          onStreams={device => setDialog({ kind: 'streams', device })}
        />
        {devices.length === 0 && <Empty title="No devices">Add a camera to begin.</Empty>}
      </div>
      {dialog?.kind === 'add' && <AddCameraDialog site={site} onClose={close} />}
      {dialog?.kind === 'move' && (
        <MoveHardwareDialog site={site} hardware={dialog.hardware} onClose={close} />
      )}
      {dialog?.kind === 'streams' && <StreamsDialog device={dialog.device} onClose={close} />}
      {dialog?.kind === 'rename' && <RenameDeviceDialog device={dialog.device} onClose={close} />}
    </div>
  );
}

/** More nobody reads; the tree finds each by its name. */
const LINES_AT_ONCE = 100;

function SiteOverview() {
  const { sites, devices, known, error } = useSiteDirectory();
  const devicesOf = useMemo(() => Map.groupBy(devices, ({ site }) => site.id), [devices]);
  const nowMs = useNow(1000);
  const [lineCount, setLineCount] = useState(LINES_AT_ONCE);
  return (
    <div className="page">
      <header className="page-head">
        <h1>Sites</h1>
        {known && (
          <span className="dim">
            {sites.length} sites, {devices.length} devices
          </span>
        )}
      </header>
      <div className="table-scroll">
        <table className="list" data-testid="site-list">
          <thead>
            <tr>
              <th>Site</th>
              <th>Link</th>
              <th>Lag</th>
              <th>Round trip</th>
              <th>Log</th>
              <th>Verified ({zoneAt(nowMs)})</th>
              <th>Devices</th>
              <th>
                <span className="hidden-text">Demonstration</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {sites.slice(0, lineCount).map(site => (
              <SiteLine
                key={site.id}
                site={site}
                deviceCount={devicesOf.get(site.id)?.length ?? 0}
                nowMs={nowMs}
              />
            ))}
          </tbody>
        </table>
        <NotListed known={known} error={error} count={sites.length} />
      </div>
      <ListFoot
        shown={Math.min(lineCount, sites.length)}
        total={known ? sites.length : undefined}
        hasMore={lineCount < sites.length}
        more={() => setLineCount(lineCount + LINES_AT_ONCE)}
      />
    </div>
  );
}

function SiteLine({
  site,
  deviceCount,
  nowMs,
}: {
  readonly site: Site;
  readonly deviceCount: number;
  readonly nowMs: number;
}) {
  const { link } = site;
  const state = link === null ? null : stateOfLink(link, nowMs);
  const lag = link === null ? null : lagOf(link);
  return (
    <tr data-testid={`site-${site.id}`} data-state={site.link?.state}>
      <td>
        <button type="button" className="open name" title={site.name} onClick={() => go('sites', site.id)}>
          {site.name}
        </button>
      </td>
      <td>
        {state === null ? (
          <span className="dim">This central</span>
        ) : (
          <>
            <StateMark {...state} />
            <div className="dim">{state.detail}</div>
          </>
        )}
      </td>
      <td>
        {lag === null ? (
          <span className="dim nowrap">{link === null ? '–' : 'not known'}</span>
        ) : lag === 0 ? (
          'none'
        ) : (
          `${lag.toLocaleString('en')} events`
        )}
      </td>
      <td>
        {link?.roundTripMs == null ? <span className="dim">–</span> : `${link.roundTripMs.toFixed(0)} ms`}
      </td>
      <td className="nowrap">
        {site.log.size.toLocaleString('en')} events
        <div className="dim mono">
          epoch {site.log.epoch}, {site.log.root.slice(0, 10)}
        </div>
      </td>
      <td>
        {site.link === null ? (
          <span className="dim nowrap">it is the original</span>
        ) : site.log.verifiedAt === null ? (
          <span className="dim">not yet</span>
        ) : (
          shortTime(site.log.verifiedAt, nowMs)
        )}
      </td>
      <td>{deviceCount}</td>
      <td>
        <LinkControl site={site} />
      </td>
    </tr>
  );
}

export function SitesPage({ place }: { readonly place: Place }) {
  const directory = useSiteDirectory();
  const site = place.item === null ? undefined : directory.siteById.get(place.item);
  return site === undefined ? <SiteOverview /> : <SiteView key={site.id} site={site} />;
}
