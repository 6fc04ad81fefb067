import { SegmentedControl } from '@mantine/core';
import type { ReactNode } from 'react';
import { Icon, type IconName } from '../ui/icon';
import { type PlaybackClock, type PlaybackState, SPEEDS } from './playback.clock';
import { PositionReadout } from './position-readout';

function Action({
  icon,
  label,
  keys,
  onClick,
  size,
}: {
  readonly icon: IconName;
  readonly label: string;
  readonly keys: string;
  readonly onClick: () => void;
  readonly size?: number;
}) {
  return (
    <button
      type="button"
      className="plain square"
      aria-label={label}
      title={`${label} (${keys})`}
      onClick={onClick}
    >
      <Icon name={icon} size={size ?? 16} />
    </button>
  );
}

interface TransportBarProps {
  readonly clock: PlaybackClock;
  readonly state: PlaybackState;
  readonly onZoom: (factor: number) => void;
  readonly onPresent: () => void;
  readonly children: ReactNode;
}

export function TransportBar({ clock, state, onZoom, onPresent, children }: TransportBarProps) {
  const { playing, speed } = state;
  return (
    <div className="transport" role="toolbar" aria-label="Playback">
      <Action icon="stepBack" label="One frame back" keys="," onClick={() => clock.step(-1)} />
      <button
        type="button"
        className="plain transport-play"
        aria-label={playing ? 'Pause' : 'Play'}
        title={`${playing ? 'Pause' : 'Play'} (space)`}
        data-testid="play-pause"
        data-playing={playing}
        onClick={() => clock.change({ playing: !playing })}
      >
        <Icon name={playing ? 'pause' : 'play'} size={18} />
      </button>
      <Action icon="stepForward" label="One frame on" keys="." onClick={() => clock.step(1)} />
      <SegmentedControl
        aria-label="Speed"
        data={SPEEDS.map(value => ({ value: `${value}`, label: `${value}×` }))}
        value={`${speed}`}
        onChange={value => clock.change({ speed: Number(value) })}
      />
      <PositionReadout clock={clock} />
      <span className="grow" />
      {children}
      <Action icon="zoomOut" label="Zoom out" keys="-" onClick={() => onZoom(2)} />
      <Action icon="zoomIn" label="Zoom in" keys="+" onClick={() => onZoom(0.5)} />
      <button type="button" className="plain framed" title="To the newest recording (n)" onClick={onPresent}>
        <Icon name="now" size={13} />
        Now
      </button>
    </div>
  );
}
