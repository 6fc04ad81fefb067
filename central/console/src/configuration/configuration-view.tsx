import { useEffect, useRef } from 'react';
import { Empty } from '../ui/field';
import { Icon } from '../ui/icon';
import { StateMark } from '../ui/state-mark';
import { bytes } from '../ui/time';
import { changeMarks } from './change-list';
import type { Configuration, ConfigurationChange, ConfiguredHardware } from './configuration';

interface ConfigurationViewProps {
  readonly configuration: Configuration;
  readonly changes: readonly ConfigurationChange[];
  /** Of the thing whose difference is selected. */
  readonly selectedId: string | null;
}

/** What differs from the other moment carries a mark. */
export function ConfigurationView({ configuration, changes, selectedId }: ConfigurationViewProps) {
  const { recordingServers, hardware, children } = configuration;
  const changeOf = new Map(changes.map(change => [change.id, change]));
  const line = (id: string) => ({ change: changeOf.get(id), selected: id === selectedId });
  const nameOfServer = new Map(recordingServers.map(({ id, name }) => [id, name]));
  return (
    <>
      <h2>Recording servers</h2>
      <table className="list" data-testid="configured-servers">
        <thead>
          <tr>
            <th>Name</th>
            <th>Recordings are kept</th>
            <th>At most</th>
          </tr>
        </thead>
        <tbody>
          {recordingServers.map(server => (
            <Line key={server.id} {...line(server.id)}>
              <td>
                <Named name={server.name} change={changeOf.get(server.id)} />
              </td>
              <td>{server.retentionDays === null ? 'not told' : `${server.retentionDays} days`}</td>
              <td>{server.byteLengthMax === null ? 'what fits on the disk' : bytes(server.byteLengthMax)}</td>
            </Line>
          ))}
        </tbody>
      </table>
      <h2>Hardware and devices</h2>
      <table className="list" data-testid="configured-hardware">
        <thead>
          <tr>
            <th>Hardware</th>
            <th>Device</th>
            <th>Recorded</th>
            <th>Recording server</th>
            <th className="address">Address</th>
          </tr>
        </thead>
        <tbody>
          {hardware.map(each => (
            <HardwareLines
              key={each.id}
              hardware={each}
              server={nameOfServer.get(each.recordingServerId) ?? 'not known'}
              line={line}
            />
          ))}
        </tbody>
      </table>
      {hardware.length === 0 && <Empty title="No hardware">None was set up then.</Empty>}
      {children.length > 0 && (
        <>
          <h2>Sites below</h2>
          <table className="list">
            <tbody>
              {children.map(child => (
                <Line key={child.id} {...line(child.id)}>
                  <td>
                    <Named name={child.name} change={changeOf.get(child.id)} />
                  </td>
                </Line>
              ))}
            </tbody>
          </table>
        </>
      )}
    </>
  );
}

interface Marked {
  readonly change: ConfigurationChange | undefined;
  readonly selected: boolean;
}

function HardwareLines({
  hardware,
  server,
  line,
}: {
  readonly hardware: ConfiguredHardware;
  readonly server: string;
  readonly line: (id: string) => Marked;
}) {
  const own = line(hardware.id);
  return hardware.devices.map((device, index) => {
    const marked = line(device.id);
    return (
      <Line key={device.id} {...marked} selected={marked.selected || (index === 0 && own.selected)}>
        <td>{index === 0 && <Named name={hardware.name} change={own.change} />}</td>
        <td>
          <span className="row">
            <Icon
              name={
                device.type === 'CAMERA' ? 'camera' : device.type === 'MICROPHONE' ? 'microphone' : 'other'
              }
              size={14}
            />
            <Named name={device.name} change={marked.change} />
          </span>
        </td>
        <td className="nowrap">
          {device.enabled ? (
            device.recordingEnabled ? (
              'yes'
            ) : (
              <span className="tone-warn">no</span>
            )
          ) : (
            <span className="dim">disabled</span>
          )}
        </td>
        <td className="nowrap">{index === 0 && server}</td>
        <td className="mono dim address">
          {index === 0 && (
            <span className="clip" title={hardware.address}>
              {hardware.address}
            </span>
          )}
        </td>
      </Line>
    );
  });
}

function Line({ selected, children }: Marked & { readonly children: React.ReactNode }) {
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: 'nearest' });
  }, [selected]);
  return (
    <tr ref={row} aria-selected={selected}>
      {children}
    </tr>
  );
}

function Named({
  name,
  change,
}: {
  readonly name: string;
  readonly change: ConfigurationChange | undefined;
}) {
  return (
    <span className="row">
      <span className="clip">{name}</span>
      {change !== undefined && change.change !== 'REMOVED' && (
        <StateMark {...changeMarks[change.change]} wordHidden />
      )}
    </span>
  );
}
