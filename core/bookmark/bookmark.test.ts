import type { BookmarkEvent, BookmarkId, DeviceId } from '@holdfast/schema';
import { suite } from 'uvu';
import { given } from '../decider/decider-specification.js';
import { bookmarkDecider } from './bookmark.decider.js';

const test = suite('bookmark');
const data = {
  bookmarkId: '018f0000-0000-7000-8000-000000000001' as BookmarkId,
  deviceId: '018f0000-0000-7000-8000-000000000002' as DeviceId,
  ...{ atMs: 5_000, fromMs: 2_000, toMs: 35_000 },
  ...{ reference: 'B-1', header: 'Man at the fence', description: '' },
};
const create = { kind: 'CreateBookmark', ...data, deviceKnown: true } as const;
const created: BookmarkEvent = { type: 'BookmarkCreated', data };

test('a bookmark is created once', () => {
  given(bookmarkDecider).when(create).then(created);
  given(bookmarkDecider, created).when(create).thenRefused('BOOKMARK_EXISTS');
});

test('a bookmark is of a device that is there, and of a moment within its span', () => {
  given(bookmarkDecider)
    .when({ ...create, deviceKnown: false })
    .thenRefused('DEVICE_NOT_FOUND');
  given(bookmarkDecider)
    .when({ ...create, fromMs: 5_001 })
    .thenRefused('BOOKMARK_OUTSIDE_SPAN');
  given(bookmarkDecider)
    .when({ ...create, toMs: 4_999 })
    .thenRefused('BOOKMARK_OUTSIDE_SPAN');
});

test.run();
