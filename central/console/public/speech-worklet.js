// Hands on what the microphone hears, in pieces of 20 ms. It runs in the audio thread, where modules of the console are not.
const PIECE_SAMPLES = 160;

class SpeechPieces extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE_SAMPLES);
  #length = 0;

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.#piece[this.#length] = sample;
      this.#length += 1;
      if (this.#length < PIECE_SAMPLES) continue;
      this.port.postMessage(this.#piece.slice());
      this.#length = 0;
    }
    return true;
  }
}

registerProcessor('speech-pieces', SpeechPieces);
