import type { RetrievalRefusal } from '@holdfast/core';
import type { RetrievalService } from '@holdfast/interconnect';
import type { Refusal, RetrievalRequests } from './api/api-ports.js';

type AnyRefusal = RetrievalRefusal | { readonly code: 'TOO_MANY_OPEN'; readonly openMax: number };

/** The retrieval service as the API uses it: refusals with a sentence for a person. */
export function createRetrievalRequests(retrievals: RetrievalService): RetrievalRequests {
  return {
    async request(query) {
      const outcome = await retrievals.request({ ...query, trigger: 'REQUEST' });
      return outcome.requested ? outcome : { requested: false, refusal: described(outcome.refusal) };
    },
    async cancel({ retrievalId, actor }) {
      const outcome = await retrievals.cancel(retrievalId, actor);
      return outcome.cancelled ? outcome : { cancelled: false, refusal: described(outcome.refusal) };
    },
  };
}

function described(refusal: AnyRefusal): Refusal {
  return { code: refusal.code, message: sentenceOf(refusal) };
}

function sentenceOf(refusal: AnyRefusal): string {
  switch (refusal.code) {
    case 'NO_SUCH_RETRIEVAL':
      return 'there is no such retrieval';
    case 'ALREADY_REQUESTED':
      return `retrieval ${refusal.retrievalId} was requested before`;
    case 'EMPTY_SPAN':
      return 'the span must begin before it ends';
    case 'SPAN_IN_FUTURE':
      return 'the span lies in the future: nothing is recorded there yet';
    case 'SPAN_TOO_LONG':
      return `the span must not be longer than ${refusal.spanMsMax / 3_600_000} hours: ask for parts of it`;
    case 'ALREADY_ENDED':
      return `the retrieval is ${refusal.status} already`;
    case 'NOT_NOW':
      return `the retrieval is ${refusal.status}; this is possible only while it is ${refusal.expected.join(' or ')}`;
    case 'TOO_MANY_SEGMENTS':
      return `the span has ${refusal.segmentCount} segments, more than ${refusal.segmentCountMax}: ask for parts of it`;
    case 'NOTHING_NEW':
      return 'these segments were retrieved before';
    case 'STREAM_NOT_READABLE':
      return refusal.message;
    case 'TOO_MANY_OPEN':
      return `${refusal.openMax} retrievals are open already: wait for some to end, or cancel them`;
  }
}
