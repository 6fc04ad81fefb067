import { CameraRefusedError, type Hardware } from '@holdfast/core';
import type { HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Speaker } from '../drivers/driver.js';
import { Speeches } from './speeches.js';

const test = suite('speaking through a camera');
const hardware = {
  ...{ hardwareId: 'hardware', name: 'Gate' },
  devices: [{ deviceId: 'camera', type: 'CAMERA' }],
} as unknown as NonNullable<Hardware>;

function openSetting(silenceMsMax?: number) {
  const events: string[] = [];
  const heard: number[] = [];
  let closedCount = 0;
  let hangUp: (fault: Error) => void = () => undefined;
  const speeches = new Speeches({
    recordingServerId: 'server' as RecordingServerId,
    report: (stream: string, { type, data }: HoldfastEvent) => {
      events.push(`${stream} ${type} ${(data as { readonly askedBy: string }).askedBy}`);
    },
    now: () => 1,
    ...(silenceMsMax === undefined ? {} : { silenceMsMax }),
  });
  const open = async (): Promise<Speaker> => {
    const { promise: lost, resolve } = Promise.withResolvers<Error>();
    hangUp = resolve;
    return {
      lost,
      say: sound => void heard.push(sound.length),
      [Symbol.asyncDispose]: async () => {
        closedCount += 1;
      },
    };
  };
  const begin = (who: string) => speeches.begin(hardware, who, open);
  const closed = () => closedCount;
  return { speeches, events, heard, begin, closed, hangUp: (fault: Error) => hangUp(fault) };
}

test('one person at a time; the log says who', async () => {
  const { events, heard, begin, closed } = openSetting();
  const ann = await begin('user:ann');
  ann.say(new Uint8Array(160));
  const refusal = await begin('user:bob').catch((error: unknown) => error);
  assert.instance(refusal, CameraRefusedError);
  assert.is((refusal as Error).message, 'somebody else is speaking through Gate');
  await ann[Symbol.asyncDispose]();
  await ann[Symbol.asyncDispose]();
  ann.say(new Uint8Array(160));
  assert.is(await ann.over, 'closed');
  assert.equal([heard, closed()], [[160], 1]);
  const bob = await begin('user:bob');
  await bob[Symbol.asyncDispose]();
  const stream = 'hardware-signals-hardware';
  assert.equal(events, [
    `${stream} SpeakingStarted user:ann`,
    `${stream} SpeakingEnded user:ann`,
    `${stream} SpeakingStarted user:bob`,
    `${stream} SpeakingEnded user:bob`,
  ]);
});

test('a camera that cannot be opened leaves nobody speaking', async () => {
  const { speeches, events, begin } = openSetting();
  const failed = await speeches
    .begin(hardware, 'user:ann', () => Promise.reject(new Error('refused')))
    .catch((error: Error) => error.message);
  assert.is(failed, 'refused');
  assert.equal(events, []);
  await using _bob = await begin('user:bob');
});

test('it is over when the camera hangs up, and when nothing is said', async () => {
  const lost = openSetting();
  const first = await lost.begin('user:ann');
  lost.hangUp(new Error('the camera closed the connection'));
  assert.is(await first.over, 'the camera closed the connection');
  const silent = openSetting(20);
  const second = await silent.begin('user:ann');
  assert.is(await second.over, 'nothing was said for 0.02 s');
  assert.is(silent.closed(), 1);
});

test('nobody speaks faster than in real time, beyond what a network has held up', async () => {
  const { heard, begin } = openSetting();
  await using ann = await begin('user:ann');
  for (let piece = 0; piece < 100; piece += 1) ann.say(new Uint8Array(800));
  assert.ok(heard.length >= 10 && heard.length < 20, `${heard.length} pieces of 100 ms`);
});

test.run();
