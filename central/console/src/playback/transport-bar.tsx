import { SegmentedControl } from '@mantine/core';
import type { ReactNode } from 'react';
import { Icon, type IconName } from '../ui/icon';
import { SPEEDS } from './pace';
import type { PlaybackClock, PlaybackState } from './playback.clock';
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
  readonly onStep: (pictures: number) => void;
  readonly onZoom: (factor: number) => void;
  readonly onPresent: () => void;
  readonly children: ReactNode;
}

const speedLabels: Record<number, string> = { 0.25: '¼', 0.5: '½' };

function PlayButton({
  clock,
  state,
  direction,
}: Pick<TransportBarProps, 'clock' | 'state'> & { readonly direction: 1 | -1 }) {
  const plays = state.playing && state.direction === direction;
  const play = direction > 0 ? 'Play' : 'Backward';
  const icon = direction > 0 ? 'play' : 'playBack';
  return (
    <button
      type="button"
      className="plain transport-play"
      aria-label={plays ? 'Pause' : play}
      title={`${plays ? 'Pause' : play} (${direction > 0 ? 'space, l' : 'j'})`}
      data-testid={direction > 0 ? 'play-pause' : 'play-backward'}
      data-playing={plays}
      onClick={() => clock.change(plays ? { playing: false } : { playing: true, direction })}
    >
      <Icon name={plays ? 'pause' : icon} size={18} />
    </button>
  );
}

export function TransportBar({ clock, state, onStep, onZoom, onPresent, children }: TransportBarProps) {
  const { speed } = state;
  return (
    <div className="transport" role="toolbar" aria-label="Playback">
      <Action icon="stepBack" label="One frame back" keys="," onClick={() => onStep(-1)} />
      <PlayButton clock={clock} state={state} direction={-1} />
      <PlayButton clock={clock} state={state} direction={1} />
      <Action icon="stepForward" label="One frame on" keys="." onClick={() => onStep(1)} />
      <SegmentedControl
        aria-label="Speed"
        data={SPEEDS.map(value => ({ value: `${value}`, label: `${speedLabels[value] ?? value}×` }))}
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
