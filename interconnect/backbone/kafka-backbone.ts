import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs } from '@holdfast/core';
import type { Consumer, EachBatchPayload, ICustomPartitioner, Kafka, LogEntry, Producer } from 'kafkajs';
import type { Logger } from 'pino';
import type { Backbone, BackboneDelivery, BackboneFrame, BackboneReader } from './backbone.js';
import { type BackboneMessage, BackboneMessageError, frameOfMessage, messageOf } from './backbone-message.js';
import { cutDeliveries } from './cut-deliveries.js';

export interface KafkaBackboneOptions {
  /** `host:port` of some of them; they tell of the others. */
  readonly brokers: readonly string[];
  readonly topic: string;
  /** For a topic that does not exist yet; one that exists is taken as it is. */
  readonly partitions: number;
  readonly replicas: number;
  readonly retentionHours: number;
  readonly tls: boolean;
  readonly signIn: { readonly userName: string; readonly password: string } | null;
  readonly logger: Logger;
  /** 0 (inclusive) to 1. */
  readonly random: () => number;
}

const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** A site waits for its acknowledgement meanwhile; after these its session ends, and it comes again. */
const PUBLISH_RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 2_000 };
/** Once more for what a broker says that has just begun. Each attempt shuffles the brokers, and there is always another one. */
const REACH_RETRY = { ...PUBLISH_RETRY, retries: 1 };
const CONSUME_RETRY = { retries: 5, initialRetryTime: 200, maxRetryTime: 5_000 };
/** A broker takes 1 MiB in one record batch unless told otherwise; what surrounds the bytes needs the rest. */
const PUBLISH_BYTES_MAX = 900_000;
const MESSAGE_OVERHEAD_BYTES = 512;
/** A node that was killed is replaced after this time. Brokers refuse less than six seconds. */
const SESSION_TIMEOUT_MS = 8_000;
const HEARTBEAT_MS = 2_000;
/** How long a broker holds an empty answer back; leaving the group waits for it. */
const FETCH_WAIT_MS_MAX = 500;
/** How soon somebody hears that brokers are gone: not one that is restarted. */
const LOOK_MS = 10_000;
const RETRY = { firstMs: 200, mostMs: 5_000 };
/** Of three or more copies two must be written, else a publisher is told so. */
const REPLICAS_FOR_TWO_IN_SYNC = 3;

/** Kafka cannot be reached, lets nobody in, or has no topic and makes none. */
export class BackboneAwayError extends Error {
  override readonly name = 'BackboneAwayError';
  readonly code = 'BACKBONE_AWAY';
}

/** Does not wait for brokers: the topic is looked for, and made when it is not there, as soon as one answers. */
export async function openKafkaBackbone(options: KafkaBackboneOptions): Promise<Backbone> {
  // Only here: most processes have no backbone, and all of them would load it.
  const kafkajs = await import('kafkajs');
  const { ERROR, WARN } = kafkajs.logLevel;
  const kafka = new kafkajs.Kafka({
    clientId: 'holdfast',
    brokers: [...options.brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    ssl: options.tls,
    ...(options.signIn
      ? {
          sasl: {
            mechanism: 'scram-sha-512' as const,
            username: options.signIn.userName,
            password: options.signIn.password,
          },
        }
      : {}),
    logLevel: WARN,
    // The library's own errors that are tried again are its warnings here.
    logCreator: () => entry => {
      const level = entry.level === ERROR || entry.level === WARN ? 'warn' : 'debug';
      options.logger[level](factsOf(entry), `kafka: ${entry.log.message}`);
    },
  });
  return new KafkaBackbone(kafka, kafkajs.Partitioners.DefaultPartitioner, options);
}

/** An attempt may last for many seconds, which no ending waits for; none begins after it. */
async function unlessAborted(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const ended = new AbortController();
  const aborted = once(signal, 'abort', { signal: ended.signal }).catch(() => undefined);
  try {
    await Promise.race([attempt(), aborted]);
  } finally {
    ended.abort();
  }
}

async function ensureTopic(kafka: Kafka, options: KafkaBackboneOptions): Promise<void> {
  const { topic, partitions, replicas, retentionHours } = options;
  const admin = kafka.admin({ retry: REACH_RETRY });
  try {
    await admin.connect();
    if ((await admin.listTopics()).includes(topic)) return;
    const areTwoInSync = replicas >= REPLICAS_FOR_TWO_IN_SYNC;
    const configEntries = [
      { name: 'retention.ms', value: String(retentionHours * 3_600_000) },
      // The frames are compressed already.
      { name: 'compression.type', value: 'producer' },
      { name: 'min.insync.replicas', value: areTwoInSync ? '2' : '1' },
      { name: 'unclean.leader.election.enable', value: 'false' },
      // What no second broker has to have, the only one must have on its disk before it says so.
      ...(areTwoInSync ? [] : [{ name: 'flush.messages', value: '1' }]),
    ];
    // False when another node was first, which is as good.
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor: replicas, configEntries }],
    });
  } finally {
    await admin.disconnect();
  }
}

function factsOf({ namespace, log: { error } }: LogEntry): object {
  return { namespace, ...(error === undefined ? {} : { error }) };
}

/** A producer with what it is sending. It is replaced after a failure, and ends when nothing is on its way any more. */
interface UsedProducer {
  readonly connected: Promise<Producer>;
  readonly sends: Set<Promise<unknown>>;
}

class KafkaBackbone implements Backbone {
  readonly #kafka: Kafka;
  readonly #partitioner: ICustomPartitioner;
  readonly #options: KafkaBackboneOptions;
  #producer: UsedProducer | null = null;
  /** That the topic is there, or the present attempt to know it. Null: there is none. */
  #topic: Promise<void> | null = null;

  constructor(kafka: Kafka, partitioner: ICustomPartitioner, options: KafkaBackboneOptions) {
    this.#kafka = kafka;
    this.#partitioner = partitioner;
    this.#options = options;
  }

  async watch({ onThere, onAway }: Parameters<Backbone['watch']>[0], signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        await unlessAborted(() => this.#there(), signal);
        await unlessAborted(() => this.#answers(), signal);
        if (signal.aborted) return;
        failures = 0;
        onThere();
        await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
      } catch (error) {
        if (signal.aborted) return;
        onAway(error as Error);
        await this.#pause(failures, signal);
        failures += 1;
      }
    }
  }

  async publish(frames: readonly BackboneFrame[]): Promise<void> {
    await this.#there();
    // One after the other: a later piece is never there without the one before it.
    for (const messages of cutMessages(frames.map(messageOf))) await this.#send(messages);
  }

  async consume(reader: BackboneReader, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await unlessAborted(() => this.#there(), signal);
        if (signal.aborted) return;
        const consumption = new KafkaConsumption(this.#kafka, this.#options, reader, signal);
        await consumption.run(() => {
          failures = 0;
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn({ err: error }, 'the backbone cannot be read; trying again');
        await this.#pause(failures++, signal);
      }
    }
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const waitMs = backOffMs(RETRY, failures, this.#options.random());
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }

  /** One attempt at a time. Rejects with `BackboneAwayError`. */
  #there(): Promise<void> {
    this.#topic ??= ensureTopic(this.#kafka, this.#options).catch((cause: Error) => {
      this.#topic = null;
      throw this.#away(cause);
    });
    return this.#topic;
  }

  /** Rejects with `BackboneAwayError` when no broker answers, or none knows the topic any more. */
  async #answers(): Promise<void> {
    const admin = this.#kafka.admin({ retry: REACH_RETRY });
    try {
      await admin.connect();
      await admin.fetchTopicMetadata({ topics: [this.#options.topic] });
    } catch (cause) {
      throw this.#away(cause as Error);
    } finally {
      await admin.disconnect();
    }
  }

  #away(cause: Error): BackboneAwayError {
    const brokers = this.#options.brokers.join(', ');
    return new BackboneAwayError(`Kafka at ${brokers} takes no frames: ${cause.message}`, { cause });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#retire(this.#producer);
  }

  async #send(messages: BackboneMessage[]): Promise<void> {
    this.#producer ??= this.#newProducer();
    const used = this.#producer;
    const send = used.connected.then(producer =>
      producer.send({ topic: this.#options.topic, acks: -1, timeout: REQUEST_TIMEOUT_MS, messages }),
    );
    used.sends.add(send);
    try {
      await send;
    } catch (error) {
      // A producer of this library may stay broken after a failure; others that use it are let finish.
      void this.#retire(used);
      throw error;
    } finally {
      used.sends.delete(send);
    }
  }

  /** Not the idempotent one: its sequence numbers are known to break, and position by position we know better. */
  #newProducer(): UsedProducer {
    const producer = this.#kafka.producer({
      createPartitioner: this.#partitioner,
      allowAutoTopicCreation: false,
      idempotent: false,
      retry: PUBLISH_RETRY,
    });
    return { connected: producer.connect().then(() => producer), sends: new Set() };
  }

  async #retire(used: UsedProducer | null): Promise<void> {
    if (used === null) return;
    if (this.#producer === used) this.#producer = null;
    await Promise.allSettled([...used.sends]);
    await used.connected.then(producer => producer.disconnect()).catch(() => undefined);
  }
}

function* cutMessages(messages: readonly BackboneMessage[]): Generator<BackboneMessage[]> {
  let piece: BackboneMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const length = message.value.length + MESSAGE_OVERHEAD_BYTES;
    if (piece.length > 0 && bytes + length > PUBLISH_BYTES_MAX) {
      yield piece;
      piece = [];
      bytes = 0;
    }
    piece.push(message);
    bytes += length;
  }
  if (piece.length > 0) yield piece;
}

/** One membership in the group of consumers. The group hands out partitions; where to begin in them the reader knows. */
class KafkaConsumption {
  readonly #options: KafkaBackboneOptions;
  readonly #reader: BackboneReader;
  readonly #signal: AbortSignal;
  readonly #consumer: Consumer;
  /** Partitions whose beginning the reader was asked for since they came to this node. */
  readonly #begun = new Set<number>();
  readonly #ended = Promise.withResolvers<void>();

  constructor(kafka: Kafka, options: KafkaBackboneOptions, reader: BackboneReader, signal: AbortSignal) {
    this.#options = options;
    this.#reader = reader;
    this.#signal = signal;
    this.#consumer = kafka.consumer({
      groupId: `${options.topic}-projectors`,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS_MAX,
      allowAutoTopicCreation: false,
      retry: { ...CONSUME_RETRY, restartOnFailure: async () => true },
    });
  }

  /** Until the signal is aborted. Rejects when this membership is over. */
  async run(onRead: () => void): Promise<void> {
    const { CRASH, GROUP_JOIN, FETCH } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, () => this.#begun.clear());
    this.#consumer.on(FETCH, onRead);
    this.#consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.#ended.reject(payload.error);
    });
    const stop = () => this.#ended.resolve();
    this.#signal.addEventListener('abort', stop, { once: true });
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topic: this.#options.topic, fromBeginning: true });
      await this.#consumer.run({
        // The group keeps no positions, so that none of them can be ahead of what is stored.
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: payload => this.#take(payload),
      });
      if (!this.#signal.aborted) await this.#ended.promise;
    } finally {
      this.#signal.removeEventListener('abort', stop);
      await this.#consumer.disconnect().catch(() => undefined);
    }
  }

  async #take({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const { partition } = batch;
    const first = batch.messages[0];
    if (first === undefined) return;
    if (!this.#begun.has(partition) && !(await this.#begin(partition, Number(first.offset)))) return;
    const records = batch.messages.map(message => ({
      offset: Number(message.offset),
      frame: this.#frameOf(partition, message),
    }));
    for (const delivery of cutDeliveries(partition, records)) {
      if (!isRunning() || isStale() || this.#signal.aborted) return;
      if ((await this.#store(delivery, heartbeat)) === 'MOVED') {
        this.#begun.delete(partition);
        await this.#begin(partition, delivery.from);
        return;
      }
      resolveOffset(String(delivery.next - 1));
      await heartbeat();
    }
  }

  /** False when the partition is read from another place on, which comes next. */
  async #begin(partition: number, offset: number): Promise<boolean> {
    const start = await this.#reader.startOf(partition);
    this.#begun.add(partition);
    if (start === null || start === offset) return true;
    if (offset > start) {
      // Retention was faster than we are, or the topic is a new one. What is missing of a site shows in its positions.
      this.#options.logger.warn({ partition, start, offset }, 'the backbone no longer keeps what comes next');
      return true;
    }
    this.#consumer.seek({ topic: this.#options.topic, partition, offset: String(start) });
    return false;
  }

  /** A reader whose database is away is asked again, with signs of life to the group, until the partition is another's. */
  async #store(delivery: BackboneDelivery, heartbeat: () => Promise<void>): Promise<'TAKEN' | 'MOVED'> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#reader.take(delivery);
      } catch (error) {
        this.#options.logger.warn({ err: error, partition: delivery.partition }, 'frames cannot be stored');
        const waitMs = backOffMs({ ...RETRY, mostMs: HEARTBEAT_MS }, failures, this.#options.random());
        await delay(waitMs, undefined, { signal: this.#signal });
        await heartbeat();
      }
    }
  }

  #frameOf(partition: number, message: EachBatchPayload['batch']['messages'][number]): BackboneFrame | null {
    try {
      return frameOfMessage(message);
    } catch (error) {
      if (!(error instanceof BackboneMessageError)) throw error;
      const facts = { code: error.code, partition, offset: message.offset, reason: error.message };
      this.#options.logger.error(facts, 'a record of the backbone is no frame: passed over');
      return null;
    }
  }
}
