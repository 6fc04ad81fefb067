// Makes core/log/vectors again, always the same: node scripts/make-proof-vectors.mjs [folder]
// Needs a build. Other implementations check themselves against these files, so existing ones are never changed.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  checkpointKey,
  checkpointOrigin,
  consistencyRanges,
  cosignCheckpoint,
  encodeHeader,
  encodeVerifierKey,
  extendEdge,
  formatLogProof,
  inclusionRanges,
  leafHashOf,
  MerkleProofBuilder,
  rootOf,
  signCheckpoint,
  witnessKey,
  witnessName,
} from '../core/dist/index.js';
import { noteSigner, sha256 } from '../sites/dist/index.js';

const output = process.argv[2] ?? path.resolve(import.meta.dirname, '../core/log/vectors');
const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab';
const parent = '0198f3a2-7c1d-7e2a-9b3c-ba0987654321';
const otherSite = '0198f3a2-7c1d-7e2a-9b3c-0000000000ff';
const EVENT_COUNT = 13;
const FIRST_MS = 1_790_000_000_000;
const WITNESSED_SECONDS = 1_790_000_100;

/** RFC 8410: what stands before the 32 bytes of an Ed25519 private key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const keyOf = seed =>
  createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  });
const privateKeys = { site: keyOf(1), parent: keyOf(2), stranger: keyOf(3) };
const signers = Object.fromEntries(Object.entries(privateKeys).map(([name, key]) => [name, noteSigner(key)]));

const verifierKeys = {
  site: encodeVerifierKey(checkpointKey({ site, epoch: 1 }, signers.site.publicKey), sha256),
  siteEpoch2: encodeVerifierKey(checkpointKey({ site, epoch: 2 }, signers.site.publicKey), sha256),
  parent: encodeVerifierKey(witnessKey(witnessName(parent), signers.parent.publicKey), sha256),
  stranger: encodeVerifierKey(checkpointKey({ site, epoch: 1 }, signers.stranger.publicKey), sha256),
};

function eventAt(position, { text = `event ${position}`, epoch = 1, ofSite = site } = {}) {
  const header = encodeHeader({
    ...{ site: ofSite, epoch, position, version: 1 },
    id: `0198f3a2-7c1d-7e2a-9b3c-0000000000${position.toString(16).padStart(2, '0')}`,
    stream: position % 2 === 1 ? 'alarm-entrance' : 'gerät-ä',
    revision: Math.floor((position - 1) / 2),
    type: position === 1 ? 'LogEpochOpened' : 'AlarmRaised',
    actor: 'user:anna',
    recordedAt: (BigInt(FIRST_MS + position * 1000) << 16n) | 3n,
    occurredAtMs: FIRST_MS + position * 1000,
    clockQuality: 'GPS',
    causationId: position === 5 ? '0198f3a2-7c1d-7e2a-9b3c-000000000004' : null,
    correlationId: null,
  });
  return { header, data: Buffer.from(position === 2 ? '' : JSON.stringify({ text })) };
}

const events = Array.from({ length: EVENT_COUNT }, (_, index) => eventAt(index + 1));
const leaves = events.map(({ header, data }) => leafHashOf(header, data, sha256));
/** The same log with another third event: what a forger would have. */
const forged = leaves.with(2, leafHashOf(events[2].header, Buffer.from('{"text":"forged"}'), sha256));
const rootAt = (size, of = leaves) => rootOf(extendEdge([], 0, of.slice(0, size), sha256), size, sha256);

const noteAt = (size, { of = leaves, epoch = 1, ofSite = site, signer = signers.site } = {}) =>
  signCheckpoint({ site: ofSite, epoch, size, root: rootAt(size, of) }, signer, sha256);
const cosignatureOf = (note, { name = witnessName(parent), signer = signers.parent, seconds = 0 } = {}) =>
  cosignCheckpoint(note, { name, signer, timeSeconds: WITNESSED_SECONDS + seconds }, sha256);
const cosigned = size => noteAt(size) + cosignatureOf(noteAt(size), { seconds: size });

function hashesOf(ranges, of = leaves) {
  const builder = new MerkleProofBuilder(ranges, sha256);
  if (builder.next !== null) builder.take(of.slice(builder.next));
  return builder.finish();
}
const eventProof = (position, size, changes = {}) => ({
  ...{ kind: 'EVENT', ...events[position - 1], index: position - 1 },
  ...{ hashes: hashesOf(inclusionRanges(position - 1, size)), checkpoint: cosigned(size), ...changes },
});
const consistencyProof = (oldSize, size, changes = {}) => ({
  ...{ kind: 'CONSISTENCY', hashes: hashesOf(consistencyRanges(oldSize, size)) },
  ...{ oldCheckpoint: cosigned(oldSize), newCheckpoint: cosigned(size), ...changes },
});
/** Another character so far behind the beginning of a signature line. */
function spoilt(text, keyName, offset) {
  const at = text.indexOf(`\u2014 ${keyName} `) + keyName.length + 3 + offset;
  return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}

const bySite = [[verifierKeys.site]];
const byBoth = [[verifierKeys.site], [verifierKeys.parent]];
const cases = [];
function add(kind, name, text, title, expected = 'PROVEN', signedBy = byBoth) {
  const suffix = { CHECKPOINT: 'txt', EVENT: 'tlog-proof', CONSISTENCY: 'consistency-proof' }[kind];
  const file = `${kind.toLowerCase()}/${name}.${suffix}`;
  cases.push({ title, file, kind, signers: signedBy, expected });
  mkdirSync(path.join(output, kind.toLowerCase()), { recursive: true });
  writeFileSync(path.join(output, file), text);
}

function addCheckpoints() {
  const note = noteAt(13);
  const line = cosignatureOf(note);
  add('CHECKPOINT', 'signed', note, 'signed by its site', 'PROVEN', bySite);
  add('CHECKPOINT', 'empty', noteAt(0), 'of a log without events', 'PROVEN', bySite);
  add('CHECKPOINT', 'cosigned', note + line, 'signed by its site, cosigned by its parent');
  add('CHECKPOINT', 'cosigned-only', note + line, 'whoever knows the parent alone', 'PROVEN', [
    [verifierKeys.parent],
  ]);
  const eitherEpoch = [[verifierKeys.siteEpoch2, verifierKeys.site]];
  add('CHECKPOINT', 'one-key-of-a-list', note, 'one key of a signer is enough', 'PROVEN', eitherEpoch);
  add('CHECKPOINT', 'not-cosigned', note, 'a cosignature is wanted and there is none', 'NOT_SIGNED');
  const altered = note.replace('\n13\n', '\n14\n');
  add('CHECKPOINT', 'size-altered', altered, 'another size was signed', 'NOT_SIGNED', bySite);
  const later = note + line.replace(/ \S+\n$/, last => ` ${laterTime(last.trim())}\n`);
  add('CHECKPOINT', 'time-altered', later, 'the parent said another time', 'NOT_SIGNED');
  const moved = note + cosignatureOf(noteAt(12));
  add('CHECKPOINT', 'cosignature-moved', moved, 'the cosignature is of another checkpoint', 'NOT_SIGNED');
  const byStranger = noteAt(13, { signer: signers.stranger });
  add(
    'CHECKPOINT',
    'by-a-stranger',
    byStranger,
    'signed by another key under the name of the site',
    'NOT_SIGNED',
    bySite,
  );
  const plain = note + noteAt(13, { signer: signers.parent }).slice(note.lastIndexOf('\n\n') + 2);
  add(
    'CHECKPOINT',
    'plain-is-no-cosignature',
    plain,
    'the parent signed it as if it were its own',
    'NOT_SIGNED',
  );
  add('CHECKPOINT', 'other-epoch', noteAt(13, { epoch: 2 }), 'the key is for epoch 1', 'NOT_SIGNED', bySite);
  add(
    'CHECKPOINT',
    'no-signatures',
    note.slice(0, note.lastIndexOf('\n\n') + 1),
    'no note',
    'MALFORMED',
    bySite,
  );
}

/** The same cosignature with its time one second later. */
function laterTime(encoded) {
  const bytes = Buffer.from(encoded, 'base64');
  bytes[11] += 1;
  return bytes.toString('base64');
}

function addEventProofs() {
  for (const [position, size] of [
    [1, 1],
    [1, 13],
    [2, 13],
    [5, 8],
    [8, 8],
    [7, 13],
    [13, 13],
  ]) {
    add(
      'EVENT',
      `${position}-of-${size}`,
      formatLogProof(eventProof(position, size)),
      `position ${position} of ${size}`,
    );
  }
  const genuine = eventProof(7, 13);
  const wrong = (name, changes, title, expected = 'NOT_PROVEN') =>
    add('EVENT', name, formatLogProof({ ...genuine, ...changes }), title, expected);
  wrong('data-altered', { data: Buffer.from('{"text":"event 9"}') }, 'the data is not what was recorded');
  wrong('hash-missing', { hashes: genuine.hashes.slice(1) }, 'a hash is missing');
  wrong('hash-too-many', { hashes: [...genuine.hashes, leaves[0]] }, 'a hash too many');
  wrong('hashes-swapped', { hashes: genuine.hashes.toReversed() }, 'the hashes are in another order');
  wrong('other-checkpoint', { checkpoint: cosigned(12) }, 'the hashes lead to another checkpoint');
  wrong('index-altered', { index: 7 }, 'the index is not that of the event', 'OTHER_PLACE');
  wrong('other-event', events[7], 'the event is another one', 'OTHER_PLACE');
  const elsewhere = eventAt(7, { ofSite: otherSite });
  wrong('other-site', elsewhere, 'the event is of another site', 'OTHER_PLACE');
  wrong('other-epoch', eventAt(7, { epoch: 2 }), 'the event is of another epoch', 'OTHER_PLACE');
  const unsigned = { ...genuine, checkpoint: noteAt(13, { signer: signers.stranger }) };
  add('EVENT', 'by-a-stranger', formatLogProof(unsigned), 'the checkpoint is by a stranger', 'NOT_SIGNED');
  const forgery = { checkpoint: noteAt(13, { of: forged, signer: signers.stranger }) };
  const hashes = hashesOf(inclusionRanges(2, 13), forged);
  const event = { header: events[2].header, data: Buffer.from('{"text":"forged"}'), index: 2, hashes };
  wrong('forged-log', { ...event, ...forgery }, 'a whole forged log, signed by a stranger', 'NOT_SIGNED');
  const text = formatLogProof(genuine);
  const [origin, witness] = [checkpointOrigin({ site, epoch: 1 }), witnessName(parent)];
  add('EVENT', 'key-id-spoilt', spoilt(text, origin, 1), 'the key id is that of no key', 'NOT_SIGNED');
  add('EVENT', 'signature-spoilt', spoilt(text, origin, 30), 'the signature is spoilt', 'NOT_SIGNED');
  add('EVENT', 'cosignature-spoilt', spoilt(text, witness, 30), 'the cosignature is spoilt', 'NOT_SIGNED');
  add('EVENT', 'no-event', text.replace(/^extra .*$/m, 'extra AA=='), 'there is no event in it', 'MALFORMED');
  add(
    'EVENT',
    'no-checkpoint',
    text.slice(0, text.indexOf('\n\n') + 1),
    'there is no checkpoint',
    'MALFORMED',
  );
}

function addConsistencyProofs() {
  for (const [oldSize, size] of [
    [1, 2],
    [1, 13],
    [4, 8],
    [6, 13],
    [8, 13],
    [12, 13],
    [13, 13],
  ]) {
    const text = formatLogProof(consistencyProof(oldSize, size));
    add('CONSISTENCY', `${oldSize}-to-${size}`, text, `the first ${oldSize} of ${size}`);
  }
  const genuine = consistencyProof(6, 13);
  const wrong = (name, changes, title, expected = 'NOT_PROVEN') =>
    add('CONSISTENCY', name, formatLogProof({ ...genuine, ...changes }), title, expected);
  const fork = noteAt(6, { of: forged });
  wrong('fork', { oldCheckpoint: fork + cosignatureOf(fork) }, 'the site signed two histories');
  wrong('backwards', { oldCheckpoint: cosigned(13), newCheckpoint: cosigned(6) }, 'the log shrank');
  wrong('hash-missing', { hashes: genuine.hashes.slice(0, -1) }, 'a hash is missing');
  wrong('hash-too-many', { hashes: [...genuine.hashes, leaves[0]] }, 'a hash too many');
  wrong('not-empty', { oldCheckpoint: cosigned(13), hashes: [leaves[0]] }, 'equal sizes need no hash');
  const nextEpoch = noteAt(6, { epoch: 2 });
  add(
    ...['CONSISTENCY', 'two-epochs', formatLogProof({ ...genuine, oldCheckpoint: nextEpoch })],
    ...[
      'the old checkpoint is of another epoch',
      'OTHER_PLACE',
      [[verifierKeys.site, verifierKeys.siteEpoch2]],
    ],
  );
  wrong('old-not-cosigned', { oldCheckpoint: noteAt(6) }, 'nobody cosigned the old one', 'NOT_SIGNED');
}

addCheckpoints();
addEventProofs();
addConsistencyProofs();
const base64 = bytes => Buffer.from(bytes).toString('base64');
const listed = leaves.map((leafHash, index) => ({
  header: base64(events[index].header),
  data: base64(events[index].data),
  leafHash: base64(leafHash),
  rootHere: base64(rootAt(index + 1)),
}));
writeFileSync(
  path.join(output, 'vectors.json'),
  `${JSON.stringify({ verifierKeys, leaves: listed, cases }, null, 2)}\n`,
);
for (const [name, key] of Object.entries(privateKeys)) {
  const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  writeFileSync(path.join(output, `${name}.public.pem`), pem);
}
