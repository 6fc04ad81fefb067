// For tests of long changes of a log file: logs to change, in processes that are killed while they do it.
import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NewEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import * as assert from 'uvu/assert';
import type { LogChange } from './log-changer.process.js';
import { openSqliteSiteLog, type SqliteSiteLog } from './sqlite-site-log.js';
import { type SiteLogVerification, verifySiteLog } from './verify-site-log.js';

/** Spread evenly over the time that a change takes. */
const KILLS = 5;

/** The logs of one site, in a folder of their own. */
export class ChangedLogs implements Disposable {
  readonly signingKey = generateKeyPairSync('ed25519').privateKey;
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'holdfast-change-log-'));
  readonly #site = v7() as SiteId;

  file(name: string): string {
    return path.join(this.#directory, `${name}.sqlite`);
  }

  copy(of: string, name: string): string {
    copyFileSync(of, this.file(name));
    return this.file(name);
  }

  open(file: string): Promise<SqliteSiteLog> {
    return openSqliteSiteLog({ file, site: this.#site, now: Date.now, signingKey: this.signingKey });
  }

  async append(file: string, count: number): Promise<string> {
    await using log = await this.open(file);
    for (let left = count; left > 0; left -= 250) {
      const events = Array.from({ length: Math.min(250, left) }, newEvent);
      await log.append([{ stream: `stream-${left % 3}`, expected: 'any', events }]);
    }
    return (await log.signedCheckpoint()).note;
  }

  /** Runs a change to its end, or kills it some milliseconds after it has begun. How long it took; null when it did not end. */
  async change(options: Omit<LogChange, 'site' | 'key'>, killAfterMs: number | null): Promise<number | null> {
    const key = this.signingKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const argument = JSON.stringify({ ...options, site: this.#site, key } satisfies LogChange);
    const child = fork(path.join(import.meta.dirname, 'log-changer.process.js'), [argument]);
    let beganMs = 0;
    let lastedMs: number | null = null;
    const begun = new Promise<void>(resolve => {
      child.on('message', message => {
        if (message === 'DONE') lastedMs = performance.now() - beganMs;
        beganMs = performance.now();
        resolve();
      });
    });
    const closed = once(child, 'close');
    await Promise.race([begun, closed]);
    if (killAfterMs !== null) {
      await delay(killAfterMs);
      child.kill('SIGKILL');
    }
    await closed;
    return lastedMs;
  }

  /** Changes one copy of a log wholly, and kills the change of others at every part of the time that it took. */
  async changeAndKill(
    of: string,
    options: Omit<LogChange, 'site' | 'key' | 'file'>,
    { whole, killed }: { readonly whole: Judge; readonly killed: Judge },
  ): Promise<void> {
    const done = this.copy(of, 'whole');
    const lastsMs = (await this.change({ ...options, file: done }, null))!;
    await whole(done);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const file = this.copy(of, `killed-${kill}`);
      await this.change({ ...options, file }, (lastsMs * (kill + 0.5)) / KILLS);
      await killed(file);
    }
  }

  /** Proves the file, after its site has opened it again. */
  async openedAgain(file: string): Promise<SiteLogVerification> {
    await (await this.open(file))[Symbol.asyncDispose]();
    return this.proved(file);
  }

  async proved(file: string): Promise<SiteLogVerification> {
    const verification = await verifySiteLog({ file, key: this.signingKey });
    assert.equal(verification.damages, []);
    return verification;
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true });
  }
}

type Judge = (file: string) => Promise<void>;

/** One in ten is carried over the cut of a truncation. */
export function newEvent(_: unknown = null, index = 0): NewEvent {
  const type = index % 10 === 0 ? 'AlarmRaised' : 'RecordingSealed';
  return {
    ...{ id: v7() as EventId, type, version: 1, actor: 'user:anna' },
    data: Buffer.from(`{"text":"${'x'.repeat(300)}"}`),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}
