/** Several pictures, so that one allocation serves hundreds of reads; a camera keeps little more than it needs. */
const SLAB_BYTE_LENGTH = 256 * 1024;
/**
 * With less room left, the next slab is taken. What is left is lost, and hastens a collection of all garbage; a read that is
 * cut by the end of a slab costs a copy of one packet (some 1,400 bytes).
 */
const ROOM_BYTES_MIN = 8 * 1024;

/**
 * Memory that a socket reads into, one read behind the other (`onread` of `net.connect`). What was read stays where it is,
 * as long as somebody holds a view of it: fragments are built from these very bytes. The stream's own buffers would be
 * an allocation and a copy for each read, and most of the garbage that a recorder makes.
 */
export class SocketSlab {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTE_LENGTH);
  #used = 0;

  /** Where the next read may go. */
  room(): Uint8Array {
    if (this.#slab.length - this.#used < ROOM_BYTES_MIN) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTE_LENGTH);
      this.#used = 0;
    }
    return this.#slab.subarray(this.#used);
  }

  /** `byteCount` bytes were read into the room given last: they are whoever's who takes them. */
  take(byteCount: number): Uint8Array {
    const { buffer, byteOffset } = this.#slab;
    const taken = new Uint8Array(buffer, byteOffset + this.#used, byteCount);
    this.#used += byteCount;
    return taken;
  }
}
