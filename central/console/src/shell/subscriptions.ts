import { useEffect, useRef } from 'react';
import { SubscriptionClient } from '../session/subscription.client';
import { topicChanged, topicsOfEvent } from '../session/topic';
import { notify } from '../ui/notice.store';
import { hrefOf } from './place';

interface AlarmChange {
  readonly cursor: string;
  readonly alarm: {
    id: string;
    localNumber: number;
    name: string;
    state: string;
    sourceName: string;
    raisedAt: string;
  };
}
interface EventAppended {
  readonly cursor: string;
  readonly event: { type: string };
}
interface Change {
  readonly cursor: string;
}

/** An alarm that was raised longer ago than this is news to nobody; it may come late, after an outage. */
const FRESH_ALARM_MS = 10 * 60_000;

function announce({ alarm }: AlarmChange, seen: Set<string>): void {
  if (alarm.state !== 'NEW' || seen.has(alarm.id)) return;
  seen.add(alarm.id);
  if (Date.now() - Date.parse(alarm.raisedAt) > FRESH_ALARM_MS) return;
  const title = `Alarm ${alarm.localNumber}: ${alarm.name}`;
  notify({
    tone: 'alarm',
    title,
    text: alarm.sourceName || 'Raised by hand',
    href: hrefOf('alarms', alarm.id),
  });
}

function follow(client: SubscriptionClient): void {
  const seen = new Set<string>();
  void client.run<AlarmChange>({
    field: 'alarmChanged',
    document: `subscription Alarms($since: Cursor) { alarmChanged(since: $since) { cursor alarm { id localNumber name state sourceName raisedAt } } }`,
    onChange: change => {
      announce(change, seen);
      topicChanged('alarms');
    },
    onRestart: () => topicChanged('alarms', 'evidence-locks'),
  });
  void client.run<Change>({
    field: 'linkChanged',
    document: 'subscription Links($since: Cursor) { linkChanged(since: $since) { cursor } }',
    onChange: () => topicChanged('sites'),
    onRestart: () => topicChanged('sites', 'devices'),
  });
  void client.run<Change>({
    field: 'retrievalChanged',
    document: 'subscription Retrievals($since: Cursor) { retrievalChanged(since: $since) { cursor } }',
    onChange: () => topicChanged('retrievals', 'timeline'),
    onRestart: () => topicChanged('retrievals', 'timeline'),
  });
  void client.run<EventAppended>({
    field: 'eventAppended',
    document:
      'subscription Events($since: Cursor) { eventAppended(since: $since) { cursor event { type } } }',
    onChange: change => topicChanged(...topicsOfEvent(change.event.type)),
    onRestart: () => topicChanged('events', 'commands'),
  });
}

/** Keeps the console current for as long as it is signed in. Returns how to retry at once. */
export function useSubscriptions(token: string): () => void {
  const client = useRef<SubscriptionClient | null>(null);
  // A renewed token needs no new connection: the central asks for it only at the beginning.
  const signedIn = token !== '';
  useEffect(() => {
    if (!signedIn) return;
    const current = new SubscriptionClient();
    client.current = current;
    follow(current);
    return () => current[Symbol.dispose]();
  }, [signedIn]);
  return () => client.current?.retryNow();
}
