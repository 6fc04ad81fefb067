import { useEffect, useMemo, useRef, useState } from 'react';
import type { Capabilities, Device } from '../site/site-directory';
import { Icon } from '../ui/icon';
import { notify } from '../ui/notice.store';
import { type Shortcut, useShortcuts } from '../ui/shortcuts';
import { type Direction, PtzMover, setOutput } from './ptz.control';
import { Presets, PtzSessionLine } from './ptz-panel';
import { Speech, type SpeechState } from './speech';

/** Half of full speed: a whole turn in some ten seconds, slow enough to stop where one wants. */
const SPEED = 0.5;

interface Way {
  readonly label: string;
  readonly sign: string;
  readonly place: string;
  readonly keys: string;
  readonly direction: Direction;
}

const still = { pan: 0, tilt: 0, zoom: 0 };
const ways: readonly Way[] = [
  { label: 'Up', sign: '▲', place: 'up', keys: 'Shift+ArrowUp', direction: { ...still, tilt: SPEED } },
  { label: 'Left', sign: '◀', place: 'left', keys: 'Shift+ArrowLeft', direction: { ...still, pan: -SPEED } },
  {
    label: 'Right',
    sign: '▶',
    place: 'right',
    keys: 'Shift+ArrowRight',
    direction: { ...still, pan: SPEED },
  },
  { label: 'Down', sign: '▼', place: 'down', keys: 'Shift+ArrowDown', direction: { ...still, tilt: -SPEED } },
  { label: 'Nearer', sign: '+', place: 'in', keys: '+', direction: { ...still, zoom: SPEED } },
  { label: 'Further', sign: '−', place: 'out', keys: '-', direction: { ...still, zoom: -SPEED } },
];

/** Stops when the panel is closed, or shows another camera. */
function useMover({ id, name }: Device): PtzMover {
  const mover = useMemo(() => new PtzMover({ id, name }), [id, name]);
  useEffect(() => () => mover[Symbol.dispose](), [mover]);
  return mover;
}

/** While the tile is selected, keys move the camera for as long as they are held. */
function usePtzKeys(mover: PtzMover, enabled: boolean): void {
  const shortcuts: Shortcut[] = ways.map(({ keys, label, direction }) => ({
    keys,
    label: `Camera: ${label.toLowerCase()}, while held`,
    group: 'Live',
    run: () => mover.move(direction),
  }));
  useShortcuts(enabled ? shortcuts : []);
  useEffect(() => {
    const stop = () => mover.stop();
    addEventListener('keyup', stop);
    addEventListener('blur', stop);
    return () => {
      removeEventListener('keyup', stop);
      removeEventListener('blur', stop);
    };
  }, [mover]);
}

function Pad({ mover, device }: { readonly mover: PtzMover; readonly device: Device }) {
  return (
    <div className="ptz-pad">
      {ways.map(({ label, sign, place, keys, direction }) => (
        <button
          key={place}
          type="button"
          className={`plain framed ptz-${place}`}
          aria-label={`${label}: ${device.name}`}
          title={`${label}, while held (${keys.replace('Shift+Arrow', 'Shift ')})`}
          onPointerDown={event => {
            event.currentTarget.setPointerCapture(event.pointerId);
            mover.move(direction);
          }}
          onPointerUp={() => mover.stop()}
          onPointerCancel={() => mover.stop()}
          onKeyDown={event => {
            if (event.key !== ' ' && event.key !== 'Enter') return;
            event.preventDefault();
            mover.move(direction);
          }}
          data-testid={`ptz-${place}-${device.id}`}
        >
          {sign}
        </button>
      ))}
    </div>
  );
}

function Outputs({ device, outputs }: { readonly device: Device; readonly outputs: readonly string[] }) {
  return (
    <ul className="camera-outputs">
      {outputs.map(output => (
        <li key={output} className="row">
          <span className="grow clip" title={output}>
            {output}
          </span>
          <button type="button" className="plain framed" onClick={() => void setOutput(device, output, true)}>
            On
          </button>
          <button
            type="button"
            className="plain framed"
            onClick={() => void setOutput(device, output, false)}
          >
            Off
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Speaks for as long as it is held; a second touch of the keyboard ends it too. */
function SpeakButton({ device }: { readonly device: Device }) {
  const [state, setState] = useState<SpeechState>({ kind: 'OVER', reason: null });
  const speech = useRef<Speech | null>(null);
  const stop = () => {
    speech.current?.[Symbol.dispose]();
    speech.current = null;
  };
  const speak = () => {
    speech.current ??= new Speech(device.id, now => {
      setState(now);
      if (now.kind !== 'OVER') return;
      speech.current = null;
      if (now.reason !== null)
        notify({ tone: 'bad', title: `Speak through ${device.name}`, text: now.reason });
    });
  };
  useEffect(
    () => () => {
      speech.current?.[Symbol.dispose]();
    },
    [],
  );
  const words = { OPENING: 'Opening…', SPEAKING: 'Speaking', OVER: 'Hold to speak' }[state.kind];
  return (
    <button
      type="button"
      className="plain framed speak"
      aria-pressed={state.kind === 'SPEAKING'}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId);
        speak();
      }}
      onPointerUp={stop}
      onPointerCancel={stop}
      onKeyDown={event => {
        if (event.key !== ' ' && event.key !== 'Enter') return;
        event.preventDefault();
        if (!event.repeat) speak();
      }}
      onKeyUp={stop}
      onBlur={stop}
      data-testid={`speak-${device.id}`}
    >
      <Icon name="microphone" size={13} />
      {words}
    </button>
  );
}

export const canBeTold = (capabilities: Capabilities | null): boolean =>
  capabilities !== null && (capabilities.ptz || capabilities.speaker || capabilities.outputs.length > 0);

/** What this camera can do beside showing pictures. */
export function CameraPanel({ device, selected }: { readonly device: Device; readonly selected: boolean }) {
  const { capabilities } = device.hardware;
  const mover = useMover(device);
  usePtzKeys(mover, selected && capabilities?.ptz === true);
  if (capabilities === null) return null;
  return (
    <div className="camera-panel" data-testid={`camera-panel-${device.id}`}>
      {capabilities.ptz && (
        <>
          <PtzSessionLine device={device} />
          <Pad mover={mover} device={device} />
          <Presets device={device} />
        </>
      )}
      {capabilities.speaker && <SpeakButton device={device} />}
      {capabilities.outputs.length > 0 && <Outputs device={device} outputs={capabilities.outputs} />}
    </div>
  );
}

export function CameraPanelButton({
  device,
  open,
  onToggle,
}: {
  readonly device: Device;
  readonly open: boolean;
  readonly onToggle: () => void;
}) {
  if (!canBeTold(device.hardware.capabilities)) return null;
  return (
    <button
      type="button"
      className="plain square"
      aria-label="Control the camera"
      title="Control the camera (c)"
      aria-pressed={open}
      onClick={onToggle}
      data-testid={`control-${device.id}`}
    >
      <Icon name="control" />
    </button>
  );
}
