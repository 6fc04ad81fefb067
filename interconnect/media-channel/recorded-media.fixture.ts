import { createHash } from 'node:crypto';
import {
  type Fragment,
  type InitSegment,
  type MediaItem,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
  manifestDigest,
  type SegmentManifest,
  type Sha256,
} from '@holdfast/core';
import type { DeviceId, SegmentId } from '@holdfast/schema';

export const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export interface RecordedSegment {
  readonly manifest: SegmentManifest;
  readonly init: InitSegment;
  readonly fragments: readonly Fragment[];
  readonly digest: string;
  readonly byteLength: number;
}

/** Segments as a media database gives them out, with noise for pictures: the bytes depend on `seed` alone. */
export function recordSegments(options: {
  readonly deviceId: DeviceId;
  readonly segmentIds: readonly SegmentId[];
  readonly fromMs: number;
  readonly fragmentCount: number;
  readonly fragmentBytes: number;
  readonly seed: string;
}): readonly RecordedSegment[] {
  const { deviceId, fragmentCount, fragmentBytes, seed } = options;
  return options.segmentIds.map((segmentId, index) => {
    const init = { bytes: noise(`${seed} init`, 700), codecs: 'avc1.640028' };
    const fragments = Array.from({ length: fragmentCount }, (_, at): Fragment => {
      const fromMs = options.fromMs + (index * fragmentCount + at) * 1000;
      return {
        fromMs,
        toMs: fromMs + 1000,
        beginsWithKeyFrame: true,
        bytes: noise(`${seed} ${index} ${at}`, fragmentBytes),
        arrivalMs: fromMs + 5,
        timeSource: 'SENDER_REPORT',
      };
    });
    const manifest: SegmentManifest = {
      segmentId,
      deviceId,
      codecs: init.codecs,
      initByteLength: init.bytes.byteLength,
      initDigest: sha256(init.bytes),
      fragments: fragments.map(({ bytes, ...entry }) => ({
        ...entry,
        byteLength: bytes.byteLength,
        digest: sha256(bytes),
      })),
    };
    const digest = Buffer.from(manifestDigest(manifest, sha256)).toString('hex');
    return { manifest, init, fragments, digest, byteLength: fragmentCount * fragmentBytes };
  });
}

/** Where a test looks at what was asked of a source, and how far it was read. */
export interface RecordedSource extends MediaSource {
  readonly requests: MediaRequest[];
  /** Bytes given out so far, over all requests. */
  readonly givenBytes: () => number;
  /** Iterations that have begun and not ended. */
  readonly openCount: () => number;
}

/** Gives out the segments. `live` makes the items of a LIVE request; without it there is no live stream. */
export function sourceOfSegments(
  segments: readonly RecordedSegment[],
  options: { readonly live?: (signal: AbortSignal) => AsyncIterable<MediaItem> } = {},
): RecordedSource {
  const requests: MediaRequest[] = [];
  let given = 0;
  let open = 0;
  async function* items(request: MediaRequest, signal: AbortSignal): AsyncIterable<MediaItem> {
    open += 1;
    try {
      for await (const item of itemsOf(request, signal)) {
        if (signal.aborted) return;
        if (item.kind === 'fragment') given += item.fragment.bytes.byteLength;
        yield item;
      }
    } finally {
      open -= 1;
    }
  }
  async function* itemsOf(request: MediaRequest, signal: AbortSignal): AsyncIterable<MediaItem> {
    if (request.kind === 'LIVE') {
      if (options.live === undefined) throw new MediaRefusedError('NO_LIVE_STREAM', 'the camera is off');
      yield* options.live(signal);
    } else if (request.kind === 'RETRIEVE') {
      yield* retrieved(segments, request);
    } else {
      for (const segment of segments) {
        yield { kind: 'init', init: segment.init };
        for (const fragment of segment.fragments) yield { kind: 'fragment', fragment };
      }
    }
  }
  return {
    open: (request, { signal }) => {
      requests.push(request);
      return items(request, signal);
    },
    requests,
    givenBytes: () => given,
    openCount: () => open,
  };
}

function* retrieved(
  segments: readonly RecordedSegment[],
  request: Extract<MediaRequest, { readonly kind: 'RETRIEVE' }>,
): Iterable<MediaItem> {
  for (const [index, segmentId] of request.segmentIds.entries()) {
    const segment = segments.find(candidate => candidate.manifest.segmentId === segmentId);
    if (segment === undefined) {
      yield { kind: 'missing', segmentId, cause: 'DELETED' };
      continue;
    }
    yield { kind: 'manifest', manifest: segment.manifest };
    yield { kind: 'init', init: segment.init };
    for (const fragment of segment.fragments.slice(index === 0 ? request.resumeAtFragment : 0)) {
      yield { kind: 'fragment', fragment };
    }
  }
}

function noise(seed: string, byteLength: number): Uint8Array {
  const shake = createHash('shake256', { outputLength: byteLength });
  return shake.update(seed).digest();
}
