/** Enough to see what it was; it is dimmed anyway. */
const WIDTH_MAX = 640;

/**
 * What a video showed last, on a canvas over it: from when its stream is let go until another one shows a picture. A video
 * element without a stream is black, and black could be what the camera sees.
 */
export class LastPicture {
  readonly #video: HTMLVideoElement;
  readonly #canvas: HTMLCanvasElement;

  constructor(video: HTMLVideoElement, canvas: HTMLCanvasElement) {
    this.#video = video;
    this.#canvas = canvas;
  }

  keep(): void {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0) return;
    const scale = Math.min(1, WIDTH_MAX / videoWidth);
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    this.#canvas.getContext('2d')?.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    this.#canvas.hidden = false;
  }

  uncover(): void {
    this.#canvas.hidden = true;
  }
}
