import { useEffect, useState } from 'react';
import { findRecording } from '../timeline/find-recording';
import { notify } from '../ui/notice.store';
import { PlaybackClock, type PlaybackState } from './playback.clock';

/** A clock for as long as the page lives, beginning at `startMs`. */
export function usePlaybackClock(startMs: number): {
  clock: PlaybackClock | null;
  state: PlaybackState | null;
} {
  const [clock, setClock] = useState<PlaybackClock | null>(null);
  const [state, setState] = useState<PlaybackState | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the start is where it begins, not where it goes.
  useEffect(() => {
    const created = new PlaybackClock({ startMs, onState: setState, findRecording, onEnd: sayEnd });
    setClock(created);
    setState(created.state);
    return () => created[Symbol.dispose]();
  }, []);
  return { clock, state };
}

function sayEnd(direction: 1 | -1): void {
  const text = `Nothing is known to be recorded ${direction > 0 ? 'later' : 'earlier'}, within a month.`;
  notify({ tone: 'waiting', title: 'No more recordings', text });
}
