// The made-up installation that the double shows: a central, three sites, and some days of history.
import { randomUUID } from 'node:crypto';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const iso = ms => new Date(ms).toISOString();

const started = Date.now();
const root = () =>
  Array.from({ length: 4 }, () => randomUUID().replaceAll('-', ''))
    .join('')
    .slice(0, 64);

function makeSite(id, name, parent, link) {
  const size = 18_400 + name.length * 913;
  const wasReset = name.startsWith('Harbour');
  const opened = { epoch: 1, openedAt: iso(started - 9e8), reason: 'site log created', previousSize: null };
  const reset = {
    ...{ epoch: 2, openedAt: iso(started - 2e8), previousSize: 9_120 },
    reason: 'the log ended at 1/8804, its parent held it up to 1/9120',
  };
  const late = name.length === 7;
  const log = {
    ...{ epoch: wasReset ? 2 : 1, size, root: root(), verifiedAt: iso(started - 4_000), receipt: null },
    checkpoint: {
      epoch: wasReset ? 2 : 1,
      size: late ? size - 40 : size,
      at: iso(started - (late ? 9e5 : 2e4)),
    },
    epochs: wasReset ? [reset, opened] : [opened],
  };
  return { id, name, parent, link, log };
}

export const sites = [
  makeSite('site-central', 'Operations Centre', null, null),
  makeSite('site-harbour', 'Harbour Terminal', 'site-central', {
    state: 'UP',
    sinceMs: started - 31 * HOUR,
    rtt: 24.6,
    offset: 1.8,
    lag: 0,
    cut: false,
  }),
  makeSite('site-depot', 'Tram Depot North', 'site-central', {
    state: 'UP',
    sinceMs: started - 52 * MINUTE,
    rtt: 71.2,
    offset: -12.4,
    lag: 37,
    cut: false,
  }),
  makeSite('site-bus', 'Bus 214', 'site-depot', {
    state: 'DOWN',
    sinceMs: started - 22 * MINUTE,
    rtt: null,
    offset: null,
    lag: null,
    cut: true,
  }),
];

/** Beside those with a story: as many as `DOUBLE_SITES` says, to see what the console does with them. */
for (let number = 1; number <= Number(process.env.DOUBLE_SITES ?? 0); number += 1) {
  const isDown = number % 37 === 0;
  const measured = isDown
    ? { rtt: null, offset: null, lag: null }
    : { rtt: 20 + (number % 90), offset: 1, lag: 0 };
  sites.push(
    makeSite(`site-${number}`, `Branch ${String(number).padStart(4, '0')}`, 'site-central', {
      ...{ state: isDown ? 'DOWN' : 'UP', sinceMs: started - number * MINUTE, cut: null },
      ...measured,
    }),
  );
}

export const recordingServers = sites.flatMap(site =>
  [1, 2].slice(0, site.id === 'site-bus' ? 1 : 2).map(number => ({
    id: `rs-${site.id}-${number}`,
    name: `Recording server ${number}`,
    siteId: site.id,
    recording: !(site.id === 'site-depot' && number === 2),
    haltedBecause:
      site.id === 'site-depot' && number === 2 ? 'The disk is full and everything on it is locked' : null,
  })),
);

const cameras = {
  'site-central': ['Lobby', 'Server room'],
  'site-harbour': ['Quay 3 crane', 'Gate A', 'Container yard east', 'Weighbridge'],
  'site-depot': ['Hall 2 north', 'Fuel station', 'Wash bay', 'Perimeter west'],
  'site-bus': ['Driver', 'Front door'],
};
for (const { id } of sites) cameras[id] ??= ['Entrance', 'Counter', 'Yard', 'Vault'];
export const hardware = [];
export const devices = [];
for (const [siteId, names] of Object.entries(cameras)) {
  names.forEach((name, index) => {
    const lost = name === 'Wash bay';
    const id = `hw-${siteId}-${index}`;
    const unknown = siteId === 'site-bus';
    hardware.push({
      id,
      name: `${name} (AXIS P3265)`,
      address: `rtsp://10.${siteId.length}.${index}.20/stream1`,
      recordingServerId:
        siteId === 'site-bus' ? 'rs-site-bus-1' : `rs-${siteId}-${name === 'Perimeter west' ? 2 : 1}`,
      connection: lost ? 'LOST' : unknown ? 'UNKNOWN' : 'CONNECTED',
      connectionSince: iso(lost ? started - 47 * MINUTE : started - 26 * HOUR),
      connectionDetail: lost ? 'The camera does not answer: connection refused at 10.10.2.20:554' : null,
    });
    const device = {
      enabled: name !== 'Weighbridge',
      recordingEnabled: name !== 'Gate A',
      siteId,
      hardwareId: id,
    };
    devices.push({ ...device, id: `cam-${siteId}-${index}`, name, type: 'CAMERA' });
    if (index === 0)
      devices.push({
        ...device,
        id: `mic-${siteId}-${index}`,
        name: `${name} microphone`,
        type: 'MICROPHONE',
      });
  });
}

/** Spans in the two-hour rhythm that retrieved recordings have, later overlaid with what was retrieved since. */
export const retrieved = [];
export function timelineOf(deviceId, fromMs, toMs) {
  const device = devices.find(item => item.id === deviceId);
  const site = sites.find(item => item.id === device.siteId);
  const now = Date.now();
  const pieces = [];
  const add = (from, to, state, cause = null, until = null) => {
    const a = Math.max(from, fromMs);
    const b = Math.min(to, toMs, now);
    if (b > a) pieces.push({ from: a, to: b, state, cause, retrievableUntil: until, keyFramesOnly: false });
  };
  const seed = Number(deviceId.at(-1)) * 7 * MINUTE;
  const remoteFrom = started - 95 * MINUTE - seed;
  const remoteTo = started - 58 * MINUTE - seed / 2;
  add(started - 40 * 24 * HOUR, started - 19 * HOUR - seed, 'HELD');
  add(started - 19 * HOUR - seed, started - 18 * HOUR, 'GAP', 'SERVER_STOPPED');
  add(started - 18 * HOUR, started - 7 * HOUR - seed, 'HELD');
  add(started - 7 * HOUR - seed, started - 7 * HOUR + 4 * MINUTE, 'GAP', 'CAMERA_DISCONNECTED');
  add(started - 7 * HOUR + 4 * MINUTE, remoteFrom, 'HELD');
  const local = retrieved.filter(span => span.deviceId === deviceId).sort((a, b) => a.from - b.from);
  let at = remoteFrom;
  if (site.link === null) add(remoteFrom, remoteTo, 'HELD');
  else {
    for (const span of local) {
      add(at, Math.max(at, span.from), 'REMOTE', 'LINK_DOWN', iso(started + 5 * 24 * HOUR));
      add(Math.max(at, span.from), Math.min(span.to, remoteTo), 'HELD');
      at = Math.max(at, Math.min(span.to, remoteTo));
    }
    add(at, remoteTo, 'REMOTE', 'LINK_DOWN', iso(started + 5 * 24 * HOUR));
  }
  const known = site.link?.state === 'DOWN' ? site.link.sinceMs : now;
  const lost = device.name === 'Wash bay' ? started - 47 * MINUTE : known;
  add(remoteTo, Math.min(known, lost), 'HELD');
  add(lost, known, 'GAP', 'CAMERA_DISCONNECTED');
  add(known, now, 'UNKNOWN', 'LINK_DOWN');
  return pieces.map(piece => ({ ...piece, from: iso(piece.from), to: iso(piece.to) }));
}

const alarmLines = [
  ['Perimeter breach', 'Motion in the restricted zone after hours', 1, 'NEW', 'cam-site-depot-3', 6],
  ['Camera lost', 'Wash bay stopped sending at 10.10.2.20', 2, 'IN_PROGRESS', 'cam-site-depot-2', 47],
  ['Door held open', 'Front door open longer than 60 s', 2, 'NEW', 'cam-site-bus-1', 31],
  [
    'Disk full',
    'Everything on the disk is locked; recording has stopped',
    1,
    'ON_HOLD',
    'cam-site-depot-3',
    160,
  ],
  ['Loitering', 'Person near Gate A for more than 5 minutes', 3, 'CLOSED', 'cam-site-harbour-1', 390],
];
for (const [index, { id }] of sites.filter(({ id }) => /^site-\d/.test(id)).entries())
  alarmLines.push(['Door held open', 'Open for more than 60 s', 3, 'NEW', `cam-${id}-0`, 400 + index]);
export const alarms = alarmLines.map(([name, message, priority, state, deviceId, minutesAgo], index) => {
  const raisedAtMs = started - minutesAgo * MINUTE;
  const history = [{ at: iso(raisedAtMs), actor: 'rule: out of hours', text: 'Raised' }];
  if (state !== 'NEW')
    history.push({ at: iso(raisedAtMs + 95_000), actor: 'm.lindqvist', text: 'Acknowledged' });
  if (state === 'CLOSED')
    history.push({ at: iso(raisedAtMs + 8 * MINUTE), actor: 'm.lindqvist', text: 'Closed: False alarm' });
  return {
    ...{
      id: `alarm-${index + 1}`,
      localNumber: 1041 - index,
      name,
      message,
      priority,
      state,
      deviceId,
      history,
    },
    assignedTo: state === 'IN_PROGRESS' ? 'm.lindqvist' : null,
    siteId: devices.find(device => device.id === deviceId).siteId,
    raisedAt: iso(raisedAtMs),
    closedAt: state === 'CLOSED' ? iso(raisedAtMs + 8 * MINUTE) : null,
    closedReason: state === 'CLOSED' ? 'False alarm' : null,
  };
});

export const locks = [
  {
    ...{
      id: 'lock-1',
      headline: 'Collision at Quay 3',
      description: 'Police reference 26-11812',
      siteId: 'site-harbour',
    },
    ...{
      deviceIds: ['cam-site-harbour-0', 'cam-site-harbour-1'],
      from: iso(started - 4 * HOUR),
      to: iso(started - 3.6 * HOUR),
    },
    ...{
      expiresAt: iso(started + 90 * 24 * HOUR),
      state: 'ACTIVE',
      createdAt: iso(started - 3 * HOUR),
      createdBy: 'm.lindqvist',
    },
    ...{ releasedAt: null, releasedReason: null },
  },
  {
    ...{ id: 'lock-2', headline: 'Vandalism in hall 2', description: '', siteId: 'site-depot' },
    ...{ deviceIds: ['cam-site-depot-0'], from: iso(started - 30 * HOUR), to: iso(started - 29 * HOUR) },
    ...{
      expiresAt: null,
      state: 'RELEASED',
      createdAt: iso(started - 28 * HOUR),
      createdBy: 'administrator',
    },
    ...{ releasedAt: iso(started - 2 * HOUR), releasedReason: 'Case closed' },
  },
];

export const retrievals = [
  {
    ...{
      id: 'retrieval-1',
      deviceId: 'cam-site-depot-0',
      fromMs: started - 95 * MINUTE,
      toMs: started - 58 * MINUTE,
      trigger: 'LINK_RESTORE',
    },
    ...{
      state: 'IN_PROGRESS',
      progress: 0.31,
      totalBytes: 1.1e9,
      requestedAt: iso(started - 50 * MINUTE),
      requestedBy: 'interconnect',
      endedAt: null,
      detail: null,
    },
  },
  {
    ...{
      id: 'retrieval-2',
      deviceId: 'cam-site-bus-0',
      fromMs: started - 80 * MINUTE,
      toMs: started - 58 * MINUTE,
      trigger: 'REQUEST',
    },
    ...{
      state: 'INTERRUPTED',
      progress: 0.64,
      totalBytes: 0.6e9,
      requestedAt: iso(started - 40 * MINUTE),
      requestedBy: 'm.lindqvist',
      endedAt: null,
      detail: 'The link to Bus 214 was lost; resumes at the last verified chunk',
    },
  },
  {
    ...{
      id: 'retrieval-3',
      deviceId: 'cam-site-harbour-0',
      fromMs: started - 9 * HOUR,
      toMs: started - 8 * HOUR,
      trigger: 'EVIDENCE_LOCK',
    },
    ...{
      state: 'COMPLETED',
      progress: 1,
      totalBytes: 1.8e9,
      requestedAt: iso(started - 3 * HOUR),
      requestedBy: 'm.lindqvist',
      endedAt: iso(started - 2.4 * HOUR),
      detail: null,
    },
  },
  {
    ...{
      id: 'retrieval-4',
      deviceId: 'cam-site-depot-2',
      fromMs: started - 12 * HOUR,
      toMs: started - 11 * HOUR,
      trigger: 'ALARM',
    },
    ...{
      state: 'FAILED',
      progress: 0.12,
      totalBytes: 1.7e9,
      requestedAt: iso(started - 5 * HOUR),
      requestedBy: 'rule: alarm video',
      endedAt: iso(started - 4.9 * HOUR),
      detail: 'A chunk did not match the digest in the log of Tram Depot North',
    },
  },
];

export const events = [];
