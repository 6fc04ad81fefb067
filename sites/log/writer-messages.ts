import type { StoredReceipt } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { WrittenAppend } from './append-group.js';
import type { AppendRingMemory } from './append-ring.js';
import type { SiteLogFileFault } from './site-log-file.js';
import type { Cut } from './site-log-truncation.js';

/** What a writer thread is started with. */
export interface WriterOptions {
  readonly file: string;
  readonly site: SiteId;
  readonly nowMs: number;
  /** Through it come all appends that fit. */
  readonly ring: AppendRingMemory;
}

/** From the log to its writer thread, beside the ring. */
export type ToWriter =
  | {
      readonly kind: 'LARGE_APPEND';
      /** One that the ring is too small for. While it is in flight, no other append is. */
      readonly frame: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly kind: 'CHECKPOINT';
      readonly size: number;
      readonly note: string;
      readonly signedAtMs: number;
    }
  | { readonly kind: 'RECEIPT'; readonly receipt: StoredReceipt }
  | {
      readonly kind: 'TRUNCATE';
      /** One slice of it is made. */
      readonly cut: Cut;
    }
  | {
      readonly kind: 'REBUILD_INDEX';
      /** How it showed that the index of streams is damaged. */
      readonly damage: string;
    }
  | { readonly kind: 'CLOSE' };

/** From the writer thread to its log. Appends are reported on in the order in which they were sent. */
export type WriterReport =
  | {
      readonly kind: 'OPENED';
      readonly epoch: number;
      readonly size: number;
      readonly edge: Uint8Array;
    }
  | {
      readonly kind: 'NOT_OPENED';
      readonly reason: string;
      readonly fault: { readonly fault: SiteLogFileFault; readonly position: number | null } | null;
    }
  | {
      readonly kind: 'WRITTEN';
      readonly outcomes: readonly WrittenAppend[];
      readonly size: number;
      readonly edge: Uint8Array;
    }
  | {
      /** Of what was asked beside the appends, in the order in which it was sent. */
      readonly kind: 'DONE';
      /** Why it was not done; null when it was. */
      readonly failure: string | null;
      /** There is more to truncate. */
      readonly isMore: boolean;
    }
  | {
      /** The index of streams was found damaged, and is whole again. */
      readonly kind: 'INDEX_REBUILT';
      readonly detail: string;
    }
  | {
      readonly kind: 'NOT_WRITTEN';
      readonly appendCount: number;
      readonly reason: string;
      /** The file is not trusted any more, and the thread has ended. */
      readonly isFatal: boolean;
      /** The pages of the file are damaged. */
      readonly isDamaged: boolean;
    };
