/** What a list on the screen is about. A change of a topic makes the lists about it ask again. */
export type Topic =
  | 'alarms'
  | 'commands'
  | 'devices'
  | 'events'
  | 'evidence-locks'
  | 'retrievals'
  | 'sites'
  | 'timeline';

type Listener = (topic: Topic) => void;
const listeners = new Set<Listener>();

export function topicChanged(...topics: readonly Topic[]): void {
  for (const topic of topics) for (const listener of listeners) listener(topic);
}

export function onTopicChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Which topics an event of a site's log touches. */
export function topicsOfEvent(type: string): readonly Topic[] {
  if (/^Command(Applied|Rejected|Expired)$/.test(type)) return ['commands', 'events'];
  if (type.startsWith('Alarm')) return ['alarms', 'events'];
  if (type.startsWith('EvidenceLock')) return ['evidence-locks', 'timeline', 'events'];
  if (/^(RecordingServer|RecordingHalted|RecordingUnhalted|Disk|Storage)/.test(type))
    return ['sites', 'devices', 'events'];
  // Of what a device is doing, a sealed segment says nothing new; they are most of all events.
  if (type === 'RecordingSealed') return ['timeline', 'events'];
  if (type.startsWith('Motion')) return ['devices', 'events'];
  if (type.startsWith('Recording')) return ['timeline', 'devices', 'events'];
  if (type.startsWith('Retrieval')) return ['timeline', 'events'];
  if (/^(Hardware|Device|Camera|Storage|Site|Federat|Child)/.test(type))
    return ['devices', 'sites', 'events'];
  return ['events'];
}
