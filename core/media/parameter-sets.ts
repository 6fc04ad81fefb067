import type { VideoFormat } from './access-unit.js';
import { parseSequenceParameterSet, pictureParameterSetId } from './h264-parameter-sets.js';
import { h265PictureParameterSetId, parseH265SequenceParameterSet } from './h265-parameter-sets.js';

type Kind = 'VPS' | 'SPS' | 'PPS';

interface ParameterSetSyntax {
  kindOf(unit: Uint8Array): Kind | null;
  isReadable(sps: Uint8Array): boolean;
  pictureSetId(pps: Uint8Array): number;
  /** `null` as long as one is missing. */
  formatOf(sets: ReadonlyMap<Kind, Uint8Array>): VideoFormat | null;
}

const h264: ParameterSetSyntax = {
  kindOf: unit => (({ 7: 'SPS', 8: 'PPS' })[unit[0]! & 0x1f] as Kind | undefined) ?? null,
  isReadable: sps => parseSequenceParameterSet(sps) !== null,
  pictureSetId: pictureParameterSetId,
  formatOf: sets => {
    const sps = sets.get('SPS');
    const pps = sets.get('PPS');
    if (sps === undefined || pps === undefined) return null;
    const { width, height } = parseSequenceParameterSet(sps)!;
    return { codec: 'H264', sps, pps, width, height };
  },
};

const h265: ParameterSetSyntax = {
  kindOf: unit => (({ 32: 'VPS', 33: 'SPS', 34: 'PPS' })[(unit[0]! >> 1) & 0x3f] as Kind | undefined) ?? null,
  isReadable: sps => parseH265SequenceParameterSet(sps) !== null,
  pictureSetId: h265PictureParameterSetId,
  formatOf: sets => {
    const vps = sets.get('VPS');
    const sps = sets.get('SPS');
    const pps = sets.get('PPS');
    if (vps === undefined || sps === undefined || pps === undefined) return null;
    const { width, height } = parseH265SequenceParameterSet(sps)!;
    return { codec: 'H265', vps, sps, pps, width, height };
  },
};

/** What the pictures of one stream have to be decoded with, as its parameter sets say it. */
export class ParameterSets {
  readonly #syntax: ParameterSetSyntax;
  #sets: ReadonlyMap<Kind, Uint8Array> = new Map();
  #format: VideoFormat | null = null;

  constructor(codec: 'H264' | 'H265') {
    this.#syntax = codec === 'H264' ? h264 : h265;
  }

  /** Another object exactly when it is another format. */
  get format(): VideoFormat | null {
    return this.#format;
  }

  /**
   * Takes over new parameter sets and returns those that stay in the stream: a second picture parameter set, with another
   * id, is no change of the format.
   */
  take(units: readonly Uint8Array[]): readonly Uint8Array[] {
    const sets = new Map(this.#sets);
    const extra: Uint8Array[] = [];
    for (const unit of units) {
      const kind = this.#syntax.kindOf(unit);
      const known = kind && sets.get(kind);
      if (kind === 'SPS') {
        if ((known && equal(known, unit)) || !this.#syntax.isReadable(unit)) continue;
        sets.set('SPS', unit);
        sets.delete('PPS');
      } else if (kind === 'PPS') {
        if (!known || this.#syntax.pictureSetId(known) === this.#syntax.pictureSetId(unit))
          sets.set('PPS', unit);
        else extra.push(unit);
      } else if (kind === 'VPS') sets.set('VPS', unit);
    }
    // A new SPS without a PPS behind it goes on with the PPS that is known.
    const pps = this.#sets.get('PPS');
    if (pps !== undefined && !sets.has('PPS')) sets.set('PPS', pps);
    const changed = [...sets].some(([kind, unit]) => {
      const before = this.#sets.get(kind);
      return before === undefined || !equal(before, unit);
    });
    this.#sets = sets;
    if (changed) this.#format = this.#syntax.formatOf(sets) ?? this.#format;
    return extra;
  }
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
