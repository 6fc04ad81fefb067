/** What a decoder must know of one track before its first access unit; it becomes the session description. */
export type ServedTrack =
  | {
      readonly kind: 'VIDEO';
      /** RTP clock, always 90 000. */
      readonly clockRate: number;
      readonly sps: Uint8Array;
      readonly pps: Uint8Array;
      readonly framesPerSecond: number;
    }
  | {
      readonly kind: 'AUDIO';
      /** RTP clock: the sample rate. */
      readonly clockRate: number;
      readonly channels: number;
      readonly audioSpecificConfig: Uint8Array;
    }
  /** ONVIF metadata. RTP clock: 90 000. */
  | { readonly kind: 'METADATA'; readonly clockRate: number };

/** One coded picture, one AAC frame or one document of metadata on its way out. */
export interface ServedAccessUnit {
  /** Which track of the presentation, from 0. */
  readonly trackIndex: number;
  /** Capture time in ticks of the track's clock since the Unix epoch. An integer below 2^53. */
  readonly ticks: number;
  /** Video: NAL units without start code or length. Audio: one raw AAC frame. Metadata: one XML document. */
  readonly units: readonly Uint8Array[];
}

/** What may be watched under one path: a camera of ours, simulated or bridged. */
export interface ServedPresentation {
  readonly name: string;
  readonly tracks: readonly ServedTrack[];
  /**
   * Calls `deliver` with the access units captured from now on, all that belong to one moment in one call, until the
   * returned function is called. `deliver` must not block and must not throw.
   */
  subscribe(deliver: (accessUnits: readonly ServedAccessUnit[]) => void): () => void;
}

/** Where an RTSP server finds what it serves. `path` begins without a slash. */
export interface MediaProvider {
  presentation(path: string): ServedPresentation | null;
}
