/** SHA-256 over the concatenation of the parts: 32 bytes. Passed in, because `core` has no crypto of its own. */
export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array;
