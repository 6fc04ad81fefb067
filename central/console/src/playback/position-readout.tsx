import { useEffect, useRef } from 'react';
import { clockMs, day, zoneAt } from '../ui/time';
import type { PlaybackClock } from './playback.clock';

/** The instant on the screen. Written past React, since it changes with every picture. */
export function PositionReadout({ clock }: { readonly clock: PlaybackClock }) {
  const text = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let frame = 0;
    const show = () => {
      const at = Math.round(clock.positionMs);
      const value = `${day(at)} ${clockMs(at).slice(0, -1)} ${zoneAt(at)}`;
      if (text.current !== null && text.current.textContent !== value) text.current.textContent = value;
      frame = requestAnimationFrame(show);
    };
    frame = requestAnimationFrame(show);
    return () => cancelAnimationFrame(frame);
  }, [clock]);
  return <span ref={text} className="position-readout" data-testid="playback-position" />;
}
