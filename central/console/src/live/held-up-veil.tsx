import { useEffect, useRef } from 'react';

/** The veil is drawn when nothing was told for ten times as long. */
const TELL_MS = 500;

/**
 * Over all tiles: a page whose thread is busy can neither show pictures nor say that those on the screen are old. A worker says it, on a
 * canvas of its own, unless it is told in time that the page is not held up.
 */
export function HeldUpVeil() {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const around = place.current;
    if (around === null || !('transferControlToOffscreen' in HTMLCanvasElement.prototype)) return;
    // A canvas is given away for good: each worker gets a new one.
    const canvas = document.createElement('canvas');
    around.append(canvas);
    const worker = new Worker('/held-up-worker.js');
    const tell = (given?: OffscreenCanvas) => {
      const size = { width: around.clientWidth, height: around.clientHeight };
      worker.postMessage({ canvas: given, size }, given === undefined ? [] : [given]);
    };
    tell(canvas.transferControlToOffscreen());
    const timer = setInterval(tell, TELL_MS);
    return () => {
      clearInterval(timer);
      worker.terminate();
      canvas.remove();
    };
  }, []);
  return <div ref={place} className="live-held-up" aria-hidden="true" />;
}
