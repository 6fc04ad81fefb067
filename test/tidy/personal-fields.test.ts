import { type EventDefinition, eventCatalogue, isPersonal, SiteCommand } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { z } from 'zod';

const test = suite('personal fields');

function personalFieldsOf(object: z.ZodType): readonly string[] {
  const shape = (object as z.ZodObject).shape as Record<string, z.ZodType>;
  return Object.keys(shape).filter(field => isPersonal(shape[field]!));
}

test('the fields that hold text about people are these, and no event holds another by accident', () => {
  const found = (eventCatalogue as readonly EventDefinition[]).flatMap(({ type, data }) =>
    personalFieldsOf(data).map(field => `${type}.${field}`),
  );
  assert.equal(found.sort(), [
    'AlarmAssigned.assignedTo',
    'AlarmClosed.reason',
    'AlarmCommented.comment',
    'AlarmRaised.message',
    'BookmarkCreated.description',
    'EvidenceLockCreated.description',
    'EvidenceLockReleased.reason',
    'SignInRefused.address',
    'SignInRefused.userName',
    'UserSignedIn.address',
    'UserSignedIn.userName',
  ]);
});

test('commands carry the same, since a wish is an event too', () => {
  const found = SiteCommand.options.flatMap(option => {
    const [kind] = option.shape.kind.values;
    return personalFieldsOf(option).map(field => `${kind}.${field}`);
  });
  assert.equal(found.sort(), [
    'CreateBookmark.description',
    'CreateEvidenceLock.description',
    'HandleAlarm.assignedTo',
    'HandleAlarm.comment',
    'HandleAlarm.reason',
    'RaiseAlarm.message',
    'ReleaseEvidenceLock.reason',
  ]);
});

test.run();
