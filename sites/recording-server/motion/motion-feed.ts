import type { Fragment, InitSegment } from '@holdfast/core';
import type { SideMotion } from '../recorder/side-streams.js';
import type { MotionWatch } from './motion-detector.js';

/** Looks for motion in the stream that is named for it as long as that one comes, and else in the one that is recorded. */
export class MotionFeed implements SideMotion {
  readonly #watch: Pick<MotionWatch, 'keyFrame' | 'runEnded'>;
  #isFromSide = false;

  constructor(watch: Pick<MotionWatch, 'keyFrame' | 'runEnded'>) {
    this.#watch = watch;
  }

  keyFrame(init: InitSegment, fragment: Fragment): void {
    if (!this.#isFromSide) this.#watch.keyFrame(init, fragment);
  }

  runEnded(): void {
    if (!this.#isFromSide) this.#watch.runEnded();
  }

  sideBegan(): void {
    this.#watch.runEnded();
    this.#isFromSide = true;
  }

  sideEnded(): void {
    if (!this.#isFromSide) return;
    this.#isFromSide = false;
    this.#watch.runEnded();
  }

  sideKeyFrame(init: InitSegment, fragment: Fragment): void {
    this.#watch.keyFrame(init, fragment);
  }
}
