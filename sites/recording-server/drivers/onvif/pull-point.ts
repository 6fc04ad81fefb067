import { CameraSessionError } from '../camera-session-error.js';
import type { DeviceSignal } from '../driver.js';
import {
  child,
  children,
  escapeXml,
  SOAP_TIMEOUT_MS,
  type SoapCall,
  textOf,
  type XmlElement,
  type XmlNode,
} from './soap.js';

/** A camera that lost us forgets the subscription by itself after this. */
const TERMINATION_SECONDS = 60;
/** So long a camera waits for something to tell before it answers with nothing. */
const PULL_SECONDS = 20;
const MESSAGES_MAX = 100;
/** An id or two. */
const REFERENCE_LENGTH_MAX = 4_096;

export interface PullPointOptions {
  readonly eventsAddress: string;
  /** An address that the camera gives, as it can be reached from here. */
  readonly resolve: (address: string) => string;
  readonly call: (call: SoapCall, signal: AbortSignal) => Promise<XmlElement>;
}

/** What a camera notices, pulled from it (ONVIF Core Specification §9.2). */
export class PullPoint {
  readonly #options: PullPointOptions;
  readonly #address: string;
  /** What the camera wants to find again in every request to the subscription. */
  readonly #reference: string;

  private constructor(options: PullPointOptions, address: string, reference: string) {
    this.#options = options;
    this.#address = address;
    this.#reference = reference;
  }

  static async open(options: PullPointOptions, signal: AbortSignal): Promise<PullPoint> {
    const time = `<tev:InitialTerminationTime>PT${TERMINATION_SECONDS}S</tev:InitialTerminationTime>`;
    const answer = await options.call(
      {
        url: options.eventsAddress,
        body: `<tev:CreatePullPointSubscription>${time}</tev:CreatePullPointSubscription>`,
        header: addressing('tev/EventPortType/CreatePullPointSubscriptionRequest', options.eventsAddress),
      },
      signal,
    );
    const reference = child(answer, 'CreatePullPointSubscriptionResponse', 'SubscriptionReference');
    const address = textOf(reference, 'Address');
    if (address === '') {
      const words = 'the camera gives no address of its subscription';
      throw new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
    }
    const parameters = child(reference, 'ReferenceParameters');
    const repeated = parameters === undefined ? '' : written(parameters);
    if (repeated.length > REFERENCE_LENGTH_MAX) {
      const words = `the camera wants ${repeated.length} characters repeated in each request, at most ${REFERENCE_LENGTH_MAX} are`;
      throw new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
    }
    return new PullPoint(options, options.resolve(address), repeated);
  }

  /** Waits for what the camera tells next; `[]`: nothing for some time. Keeps the subscription alive. */
  async pull(signal: AbortSignal): Promise<readonly DeviceSignal[]> {
    const body =
      `<tev:PullMessages><tev:Timeout>PT${PULL_SECONDS}S</tev:Timeout>` +
      `<tev:MessageLimit>${MESSAGES_MAX}</tev:MessageLimit></tev:PullMessages>`;
    const answer = await this.#call('tev/PullPointSubscription/PullMessagesRequest', body, signal);
    const messages = children(child(answer, 'PullMessagesResponse'), 'NotificationMessage');
    await this.#renew(signal);
    return messages.map(readMessage).filter(found => found !== null);
  }

  /** The camera may forget us at once: many have few subscriptions. */
  async close(signal: AbortSignal): Promise<void> {
    await this.#call('wsnt/SubscriptionManager/UnsubscribeRequest', '<wsnt:Unsubscribe/>', signal);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const time = `<wsnt:TerminationTime>PT${TERMINATION_SECONDS}S</wsnt:TerminationTime>`;
    const body = `<wsnt:Renew>${time}</wsnt:Renew>`;
    await this.#call('wsnt/SubscriptionManager/RenewRequest', body, signal).catch((fault: unknown) => {
      // Pulling keeps it alive too, at cameras that do not know Renew (§9.2.2).
      if (!(fault instanceof CameraSessionError) || fault.code !== 'STATUS') throw fault;
    });
  }

  #call(action: string, body: string, signal: AbortSignal): Promise<XmlElement> {
    const header = addressing(action, this.#address) + this.#reference;
    const timeoutMs = PULL_SECONDS * 1000 + SOAP_TIMEOUT_MS;
    return this.#options.call({ url: this.#address, body, header, timeoutMs }, signal);
  }
}

const actions = {
  tev: 'http://www.onvif.org/ver10/events/wsdl',
  wsnt: 'http://docs.oasis-open.org/wsn/bw-2',
} as const;

function addressing(action: string, to: string): string {
  const [prefix, ...rest] = action.split('/');
  const whole = [actions[prefix as keyof typeof actions], ...rest].join('/');
  return `<wsa:Action>${whole}</wsa:Action><wsa:To>${escapeXml(to)}</wsa:To>`;
}

/** Reference parameters as text again; their namespaces matter to no camera seen. */
function written(element: XmlNode): string {
  if (typeof element === 'string') return escapeXml(element);
  return Object.entries(element ?? {})
    .filter(([name]) => !name.startsWith('@') && name !== '#text')
    .flatMap(([name]) => children(element, name).map(inner => `<${name}>${written(inner)}</${name}>`))
    .concat(escapeXml(typeof element === 'object' ? textOf(element, '#text') : ''))
    .join('');
}

/** Motion and digital inputs, in the topics that cameras use; `null`: something else. */
export function readMessage(notification: XmlNode): DeviceSignal | null {
  const topic = textOf(notification, 'Topic').replace(/[a-z0-9]+:/gi, '');
  const kind = /MotionAlarm|CellMotionDetector\/Motion|MotionRegionDetector/i.test(topic)
    ? 'MOTION'
    : /Trigger\/DigitalInput|Device\/IO\/.*Input/i.test(topic)
      ? 'INPUT'
      : null;
  const message = child(notification, 'Message', 'Message');
  const items = (part: string) =>
    children(child(message, part), 'SimpleItem').map(
      item => [textOf(item, '@Name'), textOf(item, '@Value')] as const,
    );
  const state = items('Data').find(([name]) => /^(?:State|IsMotion|LogicalState|active)$/i.test(name))?.[1];
  if (kind === null || state === undefined) return null;
  const source = items('Source')
    .map(([, value]) => value)
    .join('/');
  const atMs = Date.parse(textOf(message, '@UtcTime'));
  return {
    kind,
    source: source.slice(0, 200),
    active: /^(?:true|1|active)$/i.test(state),
    atMs: Number.isNaN(atMs) ? null : atMs,
  };
}
