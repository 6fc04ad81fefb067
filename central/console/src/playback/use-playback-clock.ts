import { useEffect, useState } from 'react';
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
    const created = new PlaybackClock(startMs, setState);
    setClock(created);
    setState(created.state);
    return () => created[Symbol.dispose]();
  }, []);
  return { clock, state };
}
