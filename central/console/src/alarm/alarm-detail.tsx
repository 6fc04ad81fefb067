import { Button, Select, Textarea, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { Footage } from '../playback/footage';
import { request } from '../session/graphql.client';
import { type PendingCommand, usePending } from '../session/pending-command.store';
import { useSession } from '../session/session.store';
import { useQuery } from '../session/use-query';
import { go } from '../shell/place';
import { actorInWords } from '../site/actor';
import { useSiteDirectory } from '../site/site-directory';
import { useDetailFocus } from '../ui/detail-focus';
import { Dialog } from '../ui/dialog';
import { Fact } from '../ui/field';
import { Icon } from '../ui/icon';
import { useShortcuts } from '../ui/shortcuts';
import { StateMark } from '../ui/state-mark';
import { dayAndClock, duration, shortTime, zoneAt } from '../ui/time';
import { ALARM_FIELDS, type AlarmDetail, alarmPriorities, alarmStates, priorityOf } from './alarm';
import { updateAlarm } from './alarm.commands';

const ALARM = `query Alarm($id: ID!) { alarm(id: $id) { ${ALARM_FIELDS} history { at actor text } } }`;
const REASONS = ['Handled', 'False alarm', 'Test', 'Duplicate'];

function CloseDialog({ alarm, onClose }: { readonly alarm: AlarmDetail; readonly onClose: () => void }) {
  const [reason, setReason] = useState(REASONS[0] ?? '');
  const [words, setWords] = useState('');
  const [asking, setAsking] = useState(false);
  // What happens behind the dialog was not seen, until it says so.
  const [seen, setSeen] = useState<AlarmDetail | null>(alarm);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const text = words.trim() === '' ? reason : `${reason}: ${words.trim()}`;
    setAsking(true);
    if (await updateAlarm(seen ?? alarm, 'Close', { state: 'CLOSED', reason: text })) onClose();
    setSeen(null);
    setAsking(false);
  };
  return (
    <Dialog
      onClose={onClose}
      title={`Close alarm ${alarm.localNumber}`}
      size="sm"
      data-testid="close-alarm-dialog"
    >
      <form className="form" onSubmit={submit}>
        <Select
          label="Reason"
          data={REASONS}
          value={reason}
          onChange={value => setReason(value ?? reason)}
          data-autofocus
        />
        <Textarea label="In words" value={words} onChange={event => setWords(event.currentTarget.value)} />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={asking} data-testid="close-alarm-submit">
            Close the alarm
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Actions({ alarm, onClose }: { readonly alarm: AlarmDetail; readonly onClose: () => void }) {
  const { session } = useSession();
  const me = session?.userName ?? '';
  const mine = alarm.assignedTo === me;
  const change = (what: string, variables: Record<string, unknown>) => () =>
    void updateAlarm(alarm, what, variables);
  const acknowledge = change('Acknowledge', { state: 'IN_PROGRESS' });
  const hold = change('Put on hold', { state: 'ON_HOLD' });
  const group = 'Alarm';
  useShortcuts([
    { keys: 'a', label: 'Acknowledge', group, run: () => alarm.state === 'NEW' && acknowledge() },
    { keys: 'h', label: 'Put on hold', group, run: () => alarm.state !== 'CLOSED' && hold() },
    { keys: 'c', label: 'Close', group, run: () => alarm.state !== 'CLOSED' && onClose() },
    { keys: 'i', label: 'Assign to me', group, run: change('Assign to me', { assignedTo: me }) },
  ]);
  return (
    <div className="alarm-actions">
      {alarm.state === 'CLOSED' ? (
        <Button onClick={change('Reopen', { state: 'IN_PROGRESS' })} data-testid="alarm-reopen">
          Reopen
        </Button>
      ) : (
        <>
          {alarm.state !== 'IN_PROGRESS' && (
            <Button onClick={acknowledge} data-testid="alarm-acknowledge">
              {alarm.state === 'NEW' ? 'Acknowledge' : 'Take up again'}
            </Button>
          )}
          {alarm.state !== 'ON_HOLD' && (
            <Button variant="default" onClick={hold} data-testid="alarm-hold">
              Hold
            </Button>
          )}
          <Button variant="default" onClick={onClose} data-testid="alarm-close">
            Close …
          </Button>
        </>
      )}
      <span className="grow" />
      <Button
        variant="subtle"
        disabled={mine}
        onClick={change('Assign to me', { assignedTo: me })}
        data-testid="alarm-assign"
      >
        {mine ? 'Assigned to me' : 'Assign to me'}
      </Button>
    </div>
  );
}

function History({
  alarm,
  pending,
}: {
  readonly alarm: AlarmDetail;
  readonly pending: readonly PendingCommand[];
}) {
  const directory = useSiteDirectory();
  return (
    <ol className="alarm-history" data-testid="alarm-history">
      {pending.map(change => (
        <li key={change.id} className="pending">
          <StateMark tone="warn" shape="half" word="Pending" />
          <span>
            {change.title}, asked at {shortTime(change.askedAtMs)}. The site has not answered yet.
          </span>
        </li>
      ))}
      {alarm.history.toReversed().map(entry => (
        <li key={entry.at + entry.text}>
          <span className="dim nowrap">{shortTime(entry.at)}</span>
          <span>
            {entry.text} <span className="dim">{actorInWords(entry.actor, directory)}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}

function CommentForm({ alarm }: { readonly alarm: AlarmDetail }) {
  const [comment, setComment] = useState('');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const text = comment.trim();
    if (text === '') return;
    setComment('');
    const wasTaken = await updateAlarm(alarm, 'Comment', { comment: text });
    // What was not taken is not lost, unless something else is being written by now.
    if (!wasTaken) setComment(now => (now === '' ? text : now));
  };
  return (
    <form className="row" onSubmit={submit}>
      <TextInput
        className="grow"
        aria-label="Comment"
        placeholder="Comment"
        value={comment}
        onChange={event => setComment(event.currentTarget.value)}
        data-testid="alarm-comment"
      />
      <Button type="submit" variant="default" disabled={comment.trim() === ''}>
        Add
      </Button>
    </form>
  );
}

export function AlarmDetailPane({ id }: { readonly id: string }) {
  const answer = useQuery(`alarm ${id}`, () => request<{ alarm: AlarmDetail | null }>(ALARM, { id }), [
    'alarms',
  ]);
  const pending = usePending().filter(({ about }) => about === id);
  const [closing, setClosing] = useState(false);
  const alarm = answer.data?.alarm?.id === id ? answer.data.alarm : null;
  const pane = useDetailFocus(id, `${alarm?.state} ${alarm?.assignedTo} ${closing}`);
  if (alarm === null)
    return (
      <aside className="alarm-detail" ref={pane} tabIndex={-1}>
        <p className="empty">
          {answer.loading ? 'Asking …' : (answer.error?.message ?? 'There is no such alarm.')}
        </p>
      </aside>
    );
  return (
    <aside
      className="alarm-detail"
      ref={pane}
      tabIndex={-1}
      aria-label={`Alarm ${alarm.localNumber}`}
      data-testid="alarm-detail"
    >
      <header className="row">
        <h2 className="grow clip">
          {alarm.localNumber} {alarm.name}
        </h2>
        <StateMark {...alarmStates[alarm.state]} />
        <button
          type="button"
          className="plain square"
          aria-label="Close the detail"
          onClick={() => go('alarms')}
        >
          <Icon name="close" />
        </button>
      </header>
      <Actions alarm={alarm} onClose={() => setClosing(true)} />
      {alarm.source !== null && (
        <Footage key={alarm.id} deviceId={alarm.source.id} atMs={Date.parse(alarm.raisedAt)} />
      )}
      <Facts alarm={alarm} />
      <CommentForm alarm={alarm} />
      <History alarm={alarm} pending={pending} />
      {closing && <CloseDialog alarm={alarm} onClose={() => setClosing(false)} />}
    </aside>
  );
}

function Facts({ alarm }: { readonly alarm: AlarmDetail }) {
  const data = Object.entries(alarmPriorities).map(([value, { word }]) => ({ value, label: word }));
  return (
    <dl className="facts">
      <Fact name="Message">{alarm.message || <span className="dim">none</span>}</Fact>
      <Fact name="Source">
        {alarm.sourceName || 'none'}, {alarm.site.name}
      </Fact>
      <Fact name="Raised">
        {dayAndClock(alarm.raisedAt)} {zoneAt(alarm.raisedAt)},{' '}
        {duration(Date.now() - Date.parse(alarm.raisedAt))} ago
      </Fact>
      {alarm.closedAt !== null && (
        <Fact name="Closed">
          {dayAndClock(alarm.closedAt)}: {alarm.closedReason ?? 'no reason'}
        </Fact>
      )}
      <Fact name="Assigned to">{alarm.assignedTo ?? <span className="dim">nobody</span>}</Fact>
      <Fact name="Priority">
        <span className="row">
          <StateMark {...priorityOf(alarm.priority)} wordHidden />
          <Select
            aria-label="Priority"
            w={120}
            data={data}
            value={`${alarm.priority}`}
            onChange={value =>
              value !== null &&
              Number(value) !== alarm.priority &&
              void updateAlarm(alarm, 'Priority', { priority: Number(value) })
            }
          />
        </span>
      </Fact>
    </dl>
  );
}
