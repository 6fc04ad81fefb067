import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

export interface BookmarkRow {
  readonly id: string;
  readonly siteId: string;
  readonly deviceId: string;
  readonly atMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly reference: string;
  readonly header: string;
  readonly description: string;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

const bookmarks = new ModelTable<BookmarkRow>('bookmark', ['id']);

export const bookmarksReadModel = defineReadModel({
  name: 'bookmarks',
  version: 1,
  poison: 'skip-and-record',
  checked: 'BY_SITE',
  tables: ['bookmark'],
  eventTypes: ['BookmarkCreated'],
  async fold(events, { tx }) {
    const rows = events.map(({ site, actor, recordedAtMs, event }) => {
      const { bookmarkId: id, ...data } = event.data;
      return { id, siteId: site, ...data, createdAtMs: recordedAtMs, createdBy: actor };
    });
    await bookmarks.insert(tx, rows);
  },
});
