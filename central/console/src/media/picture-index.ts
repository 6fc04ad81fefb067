import { BoxStream, pictureTimesS, timescalesOf } from './mp4-box';

/** An hour of pictures at 30 a second: far more than a browser buffers. */
const PICTURES_MAX = 108_000;

/** When each picture that was read begins, in milliseconds since the Unix epoch. A picture is shown until the next begins. */
export class PictureIndex {
  #beginsMs: number[] = [];

  /** Reads one answer of the server as it arrives, which comes in order of time; tells when the last picture that has come begins. */
  reader(onReached: (ms: number) => void): (bytes: Uint8Array) => void {
    const boxes = new BoxStream();
    let timescales: ReadonlyMap<number, number> = new Map();
    return bytes =>
      boxes.push(bytes, (type, box) => {
        if (type === 'moov') timescales = timescalesOf(box);
        else
          this.#add(
            pictureTimesS(box, timescales).map(timeS => timeS * 1000),
            onReached,
          );
      });
  }

  /** The picture that is shown at that instant. Null: none is known. */
  at(ms: number): number | null {
    return this.#beginsMs[this.#after(ms) - 1] ?? null;
  }

  /** That many pictures after (or, negative, before) the one that is shown at that instant. */
  beside(ms: number, pictures: number): number | null {
    return this.#beginsMs[this.#after(ms) - 1 + pictures] ?? null;
  }

  clear(): void {
    this.#beginsMs = [];
  }

  /** A fragment: it takes the place of whatever was known of its time. */
  #add(times: readonly number[], onReached: (ms: number) => void): void {
    const [first, last] = [times[0], times.at(-1)];
    if (first === undefined || last === undefined) return;
    const from = this.#after(first - 0.5);
    this.#beginsMs.splice(from, this.#after(last + 0.5) - from, ...times);
    if (this.#beginsMs.length > PICTURES_MAX) this.#beginsMs.splice(0, PICTURES_MAX / 10);
    onReached(last);
  }

  /** How many begin at or before that instant. */
  #after(ms: number): number {
    let [low, high] = [0, this.#beginsMs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#beginsMs[middle]! <= ms + 0.01) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
