import { useShortcuts } from '../ui/shortcuts';
import { SPEEDS } from './pace';
import type { PlaybackClock } from './playback.clock';

export interface PlaybackActions {
  readonly mark: () => void;
  readonly clear: () => void;
  readonly retrieve: () => void;
  readonly lock: () => void;
  /** Shows the playhead on the timeline, wherever the operator looked. */
  readonly reveal: () => void;
  readonly step: (pictures: number) => void;
  readonly zoom: (factor: number) => void;
  readonly present: () => void;
  readonly sound: () => void;
}

const SHORT_MS = 10_000;
const LONG_MS = 60_000;

export function usePlaybackShortcuts(clock: PlaybackClock, actions: PlaybackActions): void {
  const group = 'Playback';
  const shown = (move: () => void | Promise<void>) => async () => {
    await move();
    actions.reveal();
  };
  const by = (ms: number) => shown(() => clock.seek(clock.positionMs + ms));
  const faster = (step: 1 | -1) => () => {
    const index = (SPEEDS as readonly number[]).indexOf(clock.state.speed);
    clock.change({ speed: SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index + step))] ?? 1 });
  };
  /** As on an editing desk: the first press plays that way, each further one faster. */
  const play = (direction: 1 | -1) => () => {
    const { playing, direction: before } = clock.state;
    if (playing && before === direction) faster(1)();
    else clock.change({ playing: true, direction, speed: 1 });
  };
  const toggle = () => clock.change({ playing: !clock.state.playing });
  useShortcuts([
    { keys: 'Space', label: 'Play, pause', group, run: toggle },
    { keys: 'j', label: 'Play backward, then faster', group, run: play(-1) },
    { keys: 'k', label: 'Pause, play', group, run: toggle },
    { keys: 'l', label: 'Play forward, then faster', group, run: play(1) },
    { keys: '<', label: 'Slower', group, run: faster(-1) },
    { keys: '>', label: 'Faster', group, run: faster(1) },
    { keys: '[', label: 'Start of the recording before', group, run: shown(() => clock.goToRecording(-1)) },
    { keys: ']', label: 'Start of the next recording', group, run: shown(() => clock.goToRecording(1)) },
    { keys: 'ArrowLeft', label: '10 seconds back', group, run: by(-SHORT_MS) },
    { keys: 'ArrowRight', label: '10 seconds on', group, run: by(SHORT_MS) },
    { keys: 'Shift+ArrowLeft', label: '1 minute back', group, run: by(-LONG_MS) },
    { keys: 'Shift+ArrowRight', label: '1 minute on', group, run: by(LONG_MS) },
    { keys: ',', label: 'One frame back', group, run: () => actions.step(-1) },
    { keys: '.', label: 'One frame on', group, run: () => actions.step(1) },
    { keys: 'n', label: 'To the newest recording', group, run: actions.present },
    { keys: 's', label: 'Sound, at 1×', group, run: actions.sound },
    { keys: 'm', label: 'Mark the start, then the end of a span', group, run: actions.mark },
    { keys: 'r', label: 'Request retrieval of the marked span', group, run: actions.retrieve },
    { keys: 'e', label: 'Evidence lock on the marked span', group, run: actions.lock },
    { keys: 'Escape', label: 'Clear the marked span', group, run: actions.clear },
    { keys: '+', label: 'Zoom the timeline in', group, run: () => actions.zoom(0.5) },
    { keys: '-', label: 'Zoom the timeline out', group, run: () => actions.zoom(2) },
  ]);
}
