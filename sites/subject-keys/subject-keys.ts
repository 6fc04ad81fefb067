import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { PersonalTexts, SubjectKeyRing } from '@holdfast/core';
import type { OfferedKey, SubjectKeyPage, SubjectKeySink } from '@holdfast/interconnect';
import { replaceSealed, type SiteId, type Subject, sealedToken } from '@holdfast/schema';
import { v7 } from 'uuid';
import { openSubjectKeyFile } from './subject-key-file.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
/** Keys remembered unwrapped, about 200 bytes each; the others are read when they are needed. */
const REMEMBERED_KEYS_MAX = 10_000;

/** In place of a text whose key was destroyed, and of one whose key this site never held. */
export const ERASED_TEXT = '[erased]';
export const FOREIGN_TEXT = '[sealed at another site]';

interface SubjectKeyRow {
  readonly key_id: string;
  readonly subject: Subject;
  readonly maker: SiteId;
  readonly wrapped: Uint8Array | null;
}

type ErasedKeyRow = SubjectKeyPage['erased'][number];

interface CipherKeys {
  readonly cipher: Buffer;
  readonly nonce: Buffer;
}

/**
 * The keys under which texts about people are sealed, one for each subject: in a file beside the log, never in it. Each is wrapped
 * under a key of the site, so that a copy of the file alone opens nothing. To erase is to destroy the key; the file then overwrites
 * it (SQLite's `secure_delete`, without a write-ahead log that would keep it).
 */
export class SubjectKeys implements PersonalTexts, SubjectKeyRing, SubjectKeySink, Disposable {
  readonly #db: DatabaseSync;
  readonly #site: SiteId;
  readonly #wrapping: Buffer;
  readonly #pseudonyms: Buffer;
  readonly #ofSubject: StatementSync;
  readonly #byId: StatementSync;
  readonly #known = new Map<string, CipherKeys>();
  /** The key to seal with, by subject. */
  readonly #current = new Map<Subject, string>();

  private constructor(db: DatabaseSync, sealingKeyPem: string, site: SiteId) {
    this.#db = db;
    this.#site = site;
    const secret = createPrivateKey(sealingKeyPem).export({ type: 'pkcs8', format: 'der' });
    this.#wrapping = derived(secret, 'holdfast subject keys 1');
    this.#pseudonyms = derived(secret, 'holdfast subject pseudonyms 1');
    this.#ofSubject = db.prepare(
      'SELECT key_id FROM subject_key WHERE subject = ? AND maker = ? AND wrapped IS NOT NULL ORDER BY seq',
    );
    this.#byId = db.prepare('SELECT wrapped FROM subject_key WHERE key_id = ?');
  }

  /** Creates the file (mode 0600) when it is not there. */
  static open(options: {
    readonly file: string;
    readonly sealingKeyPem: string;
    readonly site: SiteId;
    /** The file was damaged: what was done about it, for people. */
    readonly onDamaged?: (detail: string) => void;
  }): SubjectKeys {
    const { file, sealingKeyPem, site } = options;
    const db = openSubjectKeyFile(file, options.onDamaged);
    try {
      return new SubjectKeys(db, sealingKeyPem, site);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  seal(subject: Subject, text: string): string {
    if (text === '') return text;
    const keyId = this.#sealingKeyOf(subject);
    const keys = this.#keysOf(keyId) as CipherKeys;
    const clear = Buffer.from(text, 'utf8');
    // Made from the text: equal texts give equal tokens, and two different ones never share a nonce but by collision of 96 bits.
    const nonce = createHmac('sha256', keys.nonce).update(clear).digest().subarray(0, NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, keys.cipher, nonce).setAAD(Buffer.from(keyId));
    const sealed = Buffer.concat([nonce, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
    return sealedToken(keyId, sealed.toString('base64url'));
  }

  reveal(text: string): string {
    return replaceSealed(text, (keyId, sealed) => this.#open(keyId, sealed));
  }

  revealJson(json: string): string {
    return replaceSealed(json, (keyId, sealed) => JSON.stringify(this.#open(keyId, sealed)).slice(1, -1));
  }

  subjectOfUser(userName: string): Subject {
    return `user-${createHmac('sha256', this.#pseudonyms).update(userName).digest('hex').slice(0, 32)}`;
  }

  keyIdsOf(subject: Subject): readonly string[] {
    return this.#db
      .prepare('SELECT key_id FROM subject_key WHERE subject = ? AND wrapped IS NOT NULL ORDER BY seq')
      .all(subject)
      .map(row => row.key_id as string);
  }

  isHeld(keyId: string): boolean {
    return typeof this.#keysOf(keyId) !== 'string';
  }

  destroy({ by, subject, keyIds }: Parameters<SubjectKeyRing['destroy']>[0]): void {
    this.#inTransaction(() =>
      this.#destroy(
        by,
        keyIds.map(keyId => ({ keyId, subject })),
      ),
    );
  }

  keysAfter(count: number, limit: number): SubjectKeyPage {
    const rows = this.#db.prepare('SELECT * FROM subject_key WHERE seq > ? ORDER BY seq LIMIT ?');
    return this.#pageOf(rows.all(count, limit), count);
  }

  keysFor(child: SiteId, after: number, limit: number): SubjectKeyPage {
    const rows = this.#db.prepare(
      `SELECT * FROM subject_key WHERE maker = ?1 AND seq > ?2
       UNION SELECT * FROM subject_key WHERE giver = ?1 AND seq > ?2 AND wrapped IS NULL
       ORDER BY seq LIMIT ?3`,
    );
    return this.#pageOf(rows.all(child, after, limit), after);
  }

  take({ from, keys, erased }: Parameters<SubjectKeySink['take']>[0]): void {
    // One that was destroyed before it came is told to whom it came from.
    const given = this.#db.prepare(
      `UPDATE subject_key SET giver = ?1, seq = (SELECT max(seq) + 1 FROM subject_key)
       WHERE key_id = ?2 AND giver IS NULL AND (wrapped IS NULL OR maker = ?3)`,
    );
    this.#inTransaction(() => {
      for (const offered of keys) {
        // Nobody else makes keys of this site.
        if (offered.maker === this.#site) continue;
        this.#keep(offered);
        given.run(from, offered.keyId, offered.maker);
      }
      this.#destroy(from, erased);
    });
  }

  /** What a parent keeps: keys of this site's own making that it had lost, and what is not held here to be known as erased. */
  takeBack({ keys, erased }: Pick<SubjectKeyPage, 'keys' | 'erased'>): void {
    const insert = this.#db.prepare(
      'INSERT INTO subject_key (key_id, subject, maker) VALUES (?, ?, ?) ON CONFLICT (key_id) DO NOTHING',
    );
    this.#inTransaction(() => {
      for (const returned of keys) if (returned.maker === this.#site) this.#keep(returned);
      for (const { keyId, subject } of erased) insert.run(keyId, subject, this.#site);
    });
  }

  /** A key that is here already, or was destroyed, stays as it is; one that cannot be unwrapped any more is as good as lost. */
  #keep({ keyId, subject, maker, key }: OfferedKey): void {
    if (this.isHeld(keyId)) return;
    this.#db
      .prepare(
        `INSERT INTO subject_key (key_id, subject, maker, wrapped) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (key_id) DO UPDATE SET wrapped = ?4 WHERE wrapped IS NOT NULL AND maker = ?3`,
      )
      .run(keyId, subject, maker, this.#wrap(keyId, key));
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #pageOf(rows: readonly Record<string, unknown>[], after: number): SubjectKeyPage {
    const keys: OfferedKey[] = [];
    const erased: ErasedKeyRow[] = [];
    for (const { key_id, subject, maker, wrapped } of rows as unknown as readonly SubjectKeyRow[]) {
      if (wrapped === null) {
        erased.push({ keyId: key_id, subject });
        continue;
      }
      const key = this.#unwrap(key_id, wrapped);
      if (key !== null) keys.push({ keyId: key_id, subject, maker, key });
    }
    return { keys, erased, upTo: (rows.at(-1)?.seq as number | undefined) ?? after };
  }

  #destroy(by: SiteId, keys: readonly ErasedKeyRow[]): void {
    // Also one that has not come yet: when it comes it is known to be destroyed.
    const destroy = this.#db.prepare(
      `INSERT INTO subject_key (key_id, subject, maker) VALUES (?1, ?2, ?3)
       ON CONFLICT (key_id) DO UPDATE SET wrapped = NULL, seq = (SELECT max(seq) + 1 FROM subject_key)
       WHERE wrapped IS NOT NULL AND (?3 = ?4 OR maker = ?3 OR giver = ?3)`,
    );
    for (const { keyId, subject } of keys) {
      destroy.run(keyId, subject, by, this.#site);
      this.#known.get(keyId)?.cipher.fill(0);
      this.#known.delete(keyId);
      if (this.#current.get(subject) === keyId) this.#current.delete(subject);
    }
  }

  #inTransaction(task: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      task();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #sealingKeyOf(subject: Subject): string {
    const current = this.#current.get(subject);
    if (current !== undefined) return current;
    const known = this.#ofSubject.all(subject, this.#site).map(row => row.key_id as string);
    const keyId = known.find(each => this.isHeld(each)) ?? this.#newKey(subject);
    if (this.#current.size >= REMEMBERED_KEYS_MAX) this.#current.clear();
    this.#current.set(subject, keyId);
    return keyId;
  }

  #newKey(subject: Subject): string {
    // It says when it was made: of a key that was lost and comes back, whether that was before an erasure of its subject.
    const keyId = v7();
    this.#db
      .prepare('INSERT INTO subject_key (key_id, subject, maker, wrapped) VALUES (?, ?, ?, ?)')
      .run(keyId, subject, this.#site, this.#wrap(keyId, randomBytes(KEY_BYTES)));
    return keyId;
  }

  #open(keyId: string, sealed: string): string {
    const keys = this.#keysOf(keyId);
    if (typeof keys === 'string') return keys;
    const bytes = Buffer.from(sealed, 'base64url');
    try {
      const decipher = createDecipheriv(CIPHER, keys.cipher, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(keyId))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      const clear = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
      return Buffer.concat(clear).toString('utf8');
    } catch {
      // Not a token of ours, only text that looks like one.
      return sealedToken(keyId, sealed);
    }
  }

  /** The words that stand for the text when there is no key. */
  #keysOf(keyId: string): CipherKeys | typeof ERASED_TEXT | typeof FOREIGN_TEXT {
    const known = this.#known.get(keyId);
    if (known !== undefined) return known;
    const row = this.#byId.get(keyId);
    if (row === undefined) return FOREIGN_TEXT;
    if (row.wrapped === null) return ERASED_TEXT;
    const key = this.#unwrap(keyId, row.wrapped as Uint8Array);
    if (key === null) return FOREIGN_TEXT;
    const keys = { cipher: derived(key, 'cipher'), nonce: derived(key, 'nonce') };
    if (this.#known.size >= REMEMBERED_KEYS_MAX) this.#known.clear();
    this.#known.set(keyId, keys);
    return keys;
  }

  #wrap(keyId: string, key: Uint8Array): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#wrapping, nonce).setAAD(Buffer.from(keyId));
    return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null: it was damaged, or wrapped under a sealing key that this site had before. It is as good as lost. */
  #unwrap(keyId: string, wrapped: Uint8Array): Buffer | null {
    try {
      const decipher = createDecipheriv(CIPHER, this.#wrapping, wrapped.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(keyId))
        .setAuthTag(wrapped.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch {
      return null;
    }
  }
}

function derived(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, KEY_BYTES));
}
