import { ApiError, request } from '../session/graphql.client';
import { topicChanged } from '../session/topic';
import { hrefOf } from '../shell/place';
import { notify } from '../ui/notice.store';
import { duration } from '../ui/time';

const REQUEST = `mutation RequestRetrieval($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
  requestRetrieval(deviceIds: $devices, from: $from, to: $to) { id state }
}`;

/** Asks for what the remote site holds of this span. It comes when the link allows it. */
export async function requestRetrieval(
  deviceIds: readonly string[],
  fromMs: number,
  untilMs: number,
): Promise<void> {
  const toMs = Math.min(untilMs, Date.now());
  const title = deviceIds.length === 1 ? 'Retrieval requested' : `${deviceIds.length} retrievals requested`;
  try {
    const interval = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
    await request(REQUEST, { devices: deviceIds, ...interval });
    const text = `${duration(toMs - fromMs)} of recordings. They come as the link allows.`;
    notify({ tone: 'good', title, text, href: hrefOf('retrievals') });
    topicChanged('retrievals', 'timeline');
  } catch (error) {
    notify({
      tone: 'bad',
      title: 'Request retrieval',
      text: error instanceof ApiError ? error.message : String(error),
    });
  }
}
