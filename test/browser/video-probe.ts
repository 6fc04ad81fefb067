/// <reference lib="dom" />

/** One picture that the browser put on the screen. */
export interface ShownFrame {
  /** Milliseconds since the page began. */
  readonly displayedAtMs: number;
  /** Capture time, milliseconds since the Unix epoch: what `tfdt` said before the player moved it to its own zero. */
  readonly capturedAtMs: number;
  readonly latencyMs: number;
}

export interface VideoReading {
  readonly currentTimeS: number;
  readonly capturedAtMs: number;
  /** As burnt into the picture by the simulated camera, 0 to 399; null when the picture carries none. */
  readonly frameNumber: number | null;
  /** The green of 48 × 27 pixels. */
  readonly pixels: readonly number[];
}

interface VideoProbe {
  /** Of the last click or key, milliseconds since the page began. */
  readonly inputAtMs: () => number;
  readonly videoOf: (testId: string) => HTMLVideoElement;
  readonly framesOf: (video: HTMLVideoElement) => readonly ShownFrame[];
  /** Of a picture at this time of the video's own. */
  readonly capturedAtMs: (video: HTMLVideoElement, mediaTimeS: number) => number;
}

declare global {
  interface Window {
    videoProbe: VideoProbe;
  }
}

/** Runs in the page before anything else and looks at its videos from outside: it uses nothing of the console. */
export function installVideoProbe(): void {
  const sources = new Map<string, MediaSource>();
  const frames = new WeakMap<HTMLVideoElement, ShownFrame[]>();
  let inputAtMs = 0;

  const createObjectUrl = URL.createObjectURL.bind(URL);
  URL.createObjectURL = object => {
    const url = createObjectUrl(object);
    if (object instanceof MediaSource) sources.set(url, object);
    return url;
  };
  for (const type of ['pointerdown', 'keydown'])
    addEventListener(type, () => (inputAtMs = performance.now()), { capture: true });

  const capturedAt = (video: HTMLVideoElement, mediaTimeS: number) =>
    (mediaTimeS - (sources.get(video.currentSrc)?.sourceBuffers[0]?.timestampOffset ?? Number.NaN)) * 1000;
  const watch = (video: HTMLVideoElement, shown: ShownFrame[]) => {
    video.requestVideoFrameCallback((_, { expectedDisplayTime, mediaTime }) => {
      const capturedAtMs = capturedAt(video, mediaTime);
      const latencyMs = performance.timeOrigin + expectedDisplayTime - capturedAtMs;
      shown.push({ displayedAtMs: expectedDisplayTime, capturedAtMs, latencyMs });
      watch(video, shown);
    });
  };
  new MutationObserver(() => {
    for (const video of document.querySelectorAll('video')) {
      if (frames.has(video)) continue;
      const shown: ShownFrame[] = [];
      frames.set(video, shown);
      watch(video, shown);
    }
  }).observe(document, { subtree: true, childList: true });

  window.videoProbe = {
    inputAtMs: () => inputAtMs,
    videoOf: testId => {
      const video = document.querySelector<HTMLVideoElement>(`video[data-testid="${testId}"]`);
      if (video === null) throw new Error(`no video has the test id ${testId}`);
      return video;
    },
    framesOf: video => frames.get(video) ?? [],
    capturedAtMs: capturedAt,
  };
}

/** Runs in the page: the picture that a video shows now, with its times. */
export async function readVideo(testId: string): Promise<VideoReading> {
  const video = window.videoProbe.videoOf(testId);
  if (!video.paused) await new Promise(resolve => video.requestVideoFrameCallback(resolve));
  // One picture, with its own time: a busy browser shows a newer one than it has called back for.
  const frame = new VideoFrame(video);
  const draw = (width: number, height: number) => {
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
    context.drawImage(frame, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  };
  const [width, height] = [video.videoWidth, video.videoHeight];
  const whole = draw(width, height);
  // Eleven squares of 16 pixels end in the lower right corner: white, nine bits of the number, black.
  const bits = Array.from({ length: 11 }, (_, index) => {
    const pixel = (height - 8) * width + width - 16 * (11 - index) + 8;
    return whole[4 * pixel]! > 127 ? 1 : 0;
  });
  const small = draw(48, 27);
  const capturedAtMs = window.videoProbe.capturedAtMs(video, frame.timestamp / 1_000_000);
  frame.close();
  return {
    ...{ currentTimeS: video.currentTime, capturedAtMs },
    frameNumber: bits[0] === 1 && bits[10] === 0 ? Number.parseInt(bits.slice(1, 10).join(''), 2) : null,
    pixels: Array.from({ length: 48 * 27 }, (_, pixel) => small[4 * pixel + 1]!),
  };
}

/** Runs in the page: the first picture of an H.264 byte stream (Annex B, one key frame), as `readVideo` gives pixels. */
export function decodePicture(base64: string): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const output = (frame: VideoFrame) => {
      const context = new OffscreenCanvas(48, 27).getContext('2d')!;
      context.drawImage(frame, 0, 0, 48, 27);
      frame.close();
      const { data } = context.getImageData(0, 0, 48, 27);
      resolve(Array.from({ length: 48 * 27 }, (_, pixel) => data[4 * pixel + 1]!));
    };
    const decoder = new VideoDecoder({ output, error: reject });
    decoder.configure({ codec: 'avc1.64001f' });
    const data = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
    decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data }));
    void decoder.flush().catch(reject);
  });
}
