import type { BookmarkEvent, BookmarkId } from '@holdfast/schema';
import { accept, type Decider, refuse } from '../decider/decider.js';
import type { SiteCommandOf, SiteCommandRefusal } from '../site-command/site-command.js';

/** Null before it was created. */
export type Bookmark = { readonly bookmarkId: BookmarkId } | null;

export type BookmarkCommand = SiteCommandOf<'CreateBookmark'> & { readonly deviceKnown: boolean };
export type BookmarkRefusal = SiteCommandRefusal<
  'BOOKMARK_EXISTS' | 'DEVICE_NOT_FOUND' | 'BOOKMARK_OUTSIDE_SPAN'
>;

export const bookmarkDecider: Decider<Bookmark, BookmarkCommand, BookmarkEvent, BookmarkRefusal> = {
  initialState: null,
  decide(command, bookmark) {
    const { kind: _, deviceKnown, ...data } = command;
    if (bookmark !== null) {
      return refuse({ code: 'BOOKMARK_EXISTS', message: `bookmark ${data.bookmarkId} exists already` });
    }
    if (!deviceKnown) {
      return refuse({ code: 'DEVICE_NOT_FOUND', message: `this site has no device ${data.deviceId}` });
    }
    if (data.fromMs > data.atMs || data.atMs > data.toMs) {
      return refuse({
        code: 'BOOKMARK_OUTSIDE_SPAN',
        message: 'the moment of a bookmark must lie within its span: from ≤ at ≤ to',
      });
    }
    return accept({ type: 'BookmarkCreated', data });
  },
  evolve: (_, event) => ({ bookmarkId: event.data.bookmarkId }),
};
