// Answers of the double: lists are filtered and paged as the SDL says, changes are announced to subscribers.
import { randomUUID } from 'node:crypto';
import * as world from './world.mjs';

const { sites, devices, hardware, recordingServers, alarms, locks, retrievals, events, retrieved, iso } =
  world;
/** What has an id, by it: with hundreds of sites a search of the list for each is too slow. */
const indexed = list => {
  let byId = new Map();
  return id => {
    if (byId.size !== list.length) byId = new Map(list.map(item => [item.id, item]));
    return byId.get(id);
  };
};
const siteOf = indexed(sites);
const deviceOf = indexed(devices);
const hardwareOf = indexed(hardware);
const serverOf = indexed(recordingServers);
const FEED_LIMIT = 5_000;
const feeds = { alarm: [], event: [], link: [], retrieval: [] };
const waiting = new Set();
let counter = 0;

function announce(feed, value) {
  counter += 1;
  feeds[feed].push({ number: counter, value });
  if (feeds[feed].length > FEED_LIMIT) feeds[feed].shift();
  for (const wake of waiting) wake();
  waiting.clear();
}
async function* follow(feed, since, present) {
  let at = since ? Number(since) : counter;
  for (;;) {
    for (const item of feeds[feed].filter(entry => entry.number > at)) {
      at = item.number;
      yield present(`${at}`, item.value);
    }
    await new Promise(resolve => waiting.add(resolve));
  }
}

const connection = (items, { first = 50, after } = {}, cursorOf = item => item.id) => {
  const start = after ? items.findIndex(item => cursorOf(item) === after) + 1 : 0;
  const page = items.slice(start, start + first);
  return {
    edges: page.map(item => ({ cursor: cursorOf(item), node: item })),
    totalCount: items.length,
    pageInfo: {
      hasNextPage: start + first < items.length,
      hasPreviousPage: start > 0,
      startCursor: page[0] ? cursorOf(page[0]) : null,
      endCursor: page.length ? cursorOf(page.at(-1)) : null,
    },
  };
};
const mapped = (items, args, view) => connection(items.map(view), args);

const siteView = id => {
  const site = siteOf(id);
  if (!site) return null;
  const { link } = site;
  return {
    ...{ id: site.id, name: site.name, log: site.log, awaited: false },
    parent: () => (site.parent ? siteView(site.parent) : null),
    children: () => sites.filter(item => item.parent === site.id).map(item => siteView(item.id)),
    link: link && {
      ...{ state: link.state, since: iso(link.sinceMs), lastPosition: site.log.size },
      headPosition: link.lag === null ? null : site.log.size + link.lag,
      ...{ roundTripMs: link.rtt, clockOffsetMs: link.offset, cut: link.cut },
    },
    recordingServers: () => recordingServers.filter(item => item.siteId === id).map(serverView),
    devices: args =>
      mapped(
        devices.filter(item => item.siteId === id),
        args,
        deviceView,
      ),
  };
};
const serverView = server => ({
  ...server,
  health: null,
  storages: [
    {
      ...{
        id: `storage-${server.id}`,
        name: 'Default',
        encrypted: false,
        haltedBecause: server.haltedBecause,
      },
      measuredAt: iso(Date.now() - 20_000),
      stages: [
        {
          ...{ path: null, retentionDays: 30, usageBytes: 3.1e12, freeBytes: 0.9e12, lockedBytes: 4.2e9 },
          ...{ fullAt: null, oldest: iso(Date.now() - 40 * 24 * 3_600_000), keyFramesOnly: false },
          unavailableBecause: null,
        },
      ],
      devices: () => camerasOf(server),
    },
  ],
  site: () => siteView(server.siteId),
  devices: () =>
    devices.filter(d => hardwareOf(d.hardwareId).recordingServerId === server.id).map(deviceView),
});
const camerasOf = server =>
  devices
    .filter(({ hardwareId }) => hardwareOf(hardwareId).recordingServerId === server.id)
    .filter(({ type }) => type === 'CAMERA')
    .map(deviceView);
const hardwareView = item => ({
  ...item,
  ...{ driver: 'ONVIF', capabilities: null },
  recordingServer: () => serverView(serverOf(item.recordingServerId)),
});
const deviceView = device => {
  const box = hardwareOf(device.hardwareId);
  const server = serverOf(box.recordingServerId);
  const streams = {
    streams: [{ name: 'Main', address: box.address }],
    recorded: 'Main',
    live: 'Main',
    motion: null,
  };
  return {
    ...device,
    ...{ health: null, streams: device.type === 'CAMERA' ? streams : null },
    site: () => siteView(device.siteId),
    hardware: () => hardwareView(box),
    recordingServer: () => serverView(server),
  };
};
const deviceById = id => deviceView(deviceOf(id));
const alarmView = alarm => ({
  ...alarm,
  site: () => siteView(alarm.siteId),
  source: () => (alarm.deviceId ? deviceById(alarm.deviceId) : null),
  sourceName: deviceOf(alarm.deviceId)?.name ?? '',
});
const lockView = lock => ({
  ...lock,
  site: () => siteView(lock.siteId),
  devices: () => lock.deviceIds.map(deviceById),
  outcome: 'APPLIED',
  deviceResults: [],
});
const retrievalView = item => ({
  ...item,
  ...{ from: iso(item.fromMs), to: iso(item.toMs), transferredBytes: item.progress * item.totalBytes },
  device: () => deviceById(item.deviceId),
  site: () => siteView(deviceOf(item.deviceId).siteId),
});
const eventView = event => ({ ...event, site: () => siteView(event.siteId) });

function append(siteId, stream, type, data, actor, atMs = Date.now()) {
  const site = siteOf(siteId);
  site.log.size += 1;
  const event = {
    ...{ id: randomUUID(), siteId, epoch: 1, position: site.log.size, stream, revision: 1, type, version: 1 },
    ...{ recordedAt: iso(atMs), occurredAt: iso(atMs), actor, causationId: null, correlationId: null },
    data: JSON.stringify(data),
  };
  events.unshift(event);
  events.length = Math.min(events.length, FEED_LIMIT);
  announce('event', event);
}

/** While a site's link is down, what is asked of it waits. */
const commandFor = siteId => {
  const down = siteOf(siteId).link?.state === 'DOWN';
  return { id: randomUUID(), state: down ? 'PENDING' : 'APPLIED', code: null, message: null };
};
const contains = (text, ...values) =>
  !text || values.some(value => value.toLowerCase().includes(text.toLowerCase()));

const queries = {
  me: (_, { user }) => ({ name: user, administrator: true }),
  sites: args => mapped(sites, args, site => siteView(site.id)),
  site: ({ id }) => siteView(id),
  devices: args =>
    mapped(
      devices.filter(d => (!args.siteId || d.siteId === args.siteId) && (!args.type || d.type === args.type)),
      args,
      deviceView,
    ),
  device: ({ id }) => deviceById(id),
  recordingServers: args =>
    mapped(
      recordingServers.filter(s => !args.siteId || s.siteId === args.siteId),
      args,
      serverView,
    ),
  alarms: ({ filter: f = {}, ...args }) =>
    mapped(
      alarms.filter(
        a =>
          (!f.siteId || a.siteId === f.siteId) &&
          (!f.states?.length || f.states.includes(a.state)) &&
          (!f.priority || a.priority === f.priority) &&
          (!f.deviceId || a.deviceId === f.deviceId) &&
          contains(f.text, a.name, a.message),
      ),
      args,
      alarmView,
    ),
  alarm: ({ id }) => alarmView(alarms.find(alarm => alarm.id === id)),
  evidenceLocks: ({ filter: f = {}, ...args }) =>
    mapped(
      locks.filter(
        l =>
          (!f.states?.length || f.states.includes(l.state)) &&
          (!f.siteId || f.siteId === l.siteId) &&
          (!f.deviceId || l.deviceIds.includes(f.deviceId)) &&
          contains(f.text, l.headline, l.description),
      ),
      args,
      lockView,
    ),
  retrievals: ({ filter: f = {}, ...args }) =>
    mapped(
      retrievals.filter(r => !f.states?.length || f.states.includes(r.state)),
      args,
      retrievalView,
    ),
  events: ({ filter: f = {}, ...args }) =>
    mapped(
      events.filter(
        e =>
          (!f.siteId || e.siteId === f.siteId) &&
          (!f.types?.length || f.types.includes(e.type)) &&
          (!f.stream || e.stream.includes(f.stream)),
      ),
      args,
      eventView,
    ),
  timeline: ({ deviceIds, from, to }) =>
    deviceIds.map(deviceId => ({
      deviceId,
      spans: world.timelineOf(deviceId, Date.parse(from), Date.parse(to)),
    })),
  systemStatus: () => ({
    ...{ at: iso(Date.now()), version: '0.1.0-double', projectionLag: 0 },
    servers: [{ name: 'double', state: 'OK', detail: 'made-up data' }],
    projections: projectionsOf(),
  }),
  quarantinedEvents: args =>
    mapped(
      [
        ['alarms', 'POISON', 'the state of alarm 1041 is CLOSED: AlarmAcknowledged expects NEW or ON_HOLD'],
        ['alarms', 'WAITING', 'comes after an event of its stream that is put aside'],
        [
          'recordings',
          'UNTIL_UPGRADE',
          'RecordingSealed version 5 is newer than this software, which reads 3',
        ],
      ].map(([projection, status, reason], index) => ({ id: `q${index}`, projection, status, reason })),
      args,
      ({ id, projection, status, reason }) => ({
        ...{
          id,
          projection,
          status,
          reason,
          attempts: status === 'POISON' ? 3 : 1,
          at: iso(Date.now() - 4e6),
        },
        stream: projection === 'alarms' ? 'alarm-0198c4b1-7a2b-7c3d-8e4f-5a6b7c8d9e0f' : 'recording-0198c4b1',
        site: siteView(sites[1].id),
        event: null,
      }),
    ),
};

const projectionNames = [
  'alarms',
  'audit-trail',
  'bookmarks',
  'commands',
  'evidence-locks',
  'hardware',
  'recordings',
];
let buildBeganMs = null;
function projectionsOf() {
  const progress = buildBeganMs === null ? 1 : (Date.now() - buildBeganMs) / 20_000;
  return projectionNames.map(name => ({
    ...{ name, version: 3, lag: 0, detail: null, state: name === 'commands' ? 'HALTED' : 'FOLLOWING' },
    ...(name === 'commands'
      ? { detail: 'stands still at feed position 48120: CommandApplied', lag: 214 }
      : {}),
    quarantinedCount: { alarms: 2, recordings: 1 }[name] ?? 0,
    checkedAt: name === 'bookmarks' ? null : iso(Date.now() - 6e5),
    differenceCount: name === 'hardware' ? 1 : 0,
    differences:
      name === 'hardware'
        ? [
            {
              description: 'device.name of one row differs',
              foundAt: iso(Date.now() - 6e5),
              site: siteView(sites[1].id),
            },
          ]
        : [],
    buildProgress: name === 'audit-trail' && progress < 1 ? progress : null,
  }));
}

const alarmTexts = { IN_PROGRESS: 'Acknowledged', ON_HOLD: 'Put on hold', CLOSED: 'Closed', NEW: 'Reset' };
function updateAlarm({ id, state, assignedTo, priority, comment, reason }, { user }) {
  const alarm = alarms.find(item => item.id === id);
  const command = commandFor(alarm.siteId);
  if (command.state === 'PENDING') return { command, alarm: alarmView(alarm) };
  const say = text => alarm.history.push({ at: iso(Date.now()), actor: user, text });
  if (state) {
    say(reason ? `${alarmTexts[state]}: ${reason}` : alarmTexts[state]);
    Object.assign(alarm, { state, closedReason: state === 'CLOSED' ? reason : null });
    alarm.closedAt = state === 'CLOSED' ? iso(Date.now()) : null;
  }
  if (assignedTo !== undefined)
    Object.assign(alarm, { assignedTo: assignedTo || null }) && say(`Assigned to ${assignedTo || 'nobody'}`);
  if (priority) Object.assign(alarm, { priority }) && say(`Priority ${priority}`);
  if (comment) say(comment);
  announce('alarm', alarm);
  append(
    alarm.siteId,
    `alarm-${id}`,
    state === 'CLOSED' ? 'AlarmClosed' : 'AlarmCommented',
    { alarmId: id, comment, reason },
    user,
  );
  return { command, alarm: alarmView(alarm) };
}
function raiseAlarm({ siteId, deviceId, name, message = '', priority = 2 }, { user }) {
  const at = iso(Date.now());
  const site = siteId ?? deviceOf(deviceId)?.siteId ?? 'site-central';
  const alarm = {
    ...{
      id: randomUUID(),
      localNumber: 1041 + alarms.length,
      name,
      message,
      priority,
      state: 'NEW',
      deviceId,
      siteId: site,
    },
    ...{
      assignedTo: null,
      raisedAt: at,
      closedAt: null,
      closedReason: null,
      history: [{ at, actor: user, text: 'Raised' }],
    },
  };
  const command = commandFor(site);
  if (command.state === 'PENDING') return { command, alarm: null };
  alarms.unshift(alarm);
  announce('alarm', alarm);
  append(site, `alarm-${alarm.id}`, 'AlarmRaised', { alarmId: alarm.id, name, message, priority }, user);
  return { command, alarm: alarmView(alarm) };
}
const setLink = (siteId, down) => {
  const { link } = siteOf(siteId);
  Object.assign(link, {
    state: down ? 'DOWN' : 'CONNECTING',
    cut: down,
    sinceMs: Date.now(),
    lag: down ? null : 214,
    rtt: down ? null : 48,
  });
  announce('link', siteId);
  if (!down)
    setTimeout(() => {
      Object.assign(link, { state: 'UP', sinceMs: Date.now() });
      announce('link', siteId);
    }, 2_000).unref();
  return siteView(siteId);
};

const mutations = {
  rebuildProjections: ({ names }) => {
    buildBeganMs = Date.now();
    return projectionsOf().filter(({ name }) => names.includes(name));
  },
  releaseQuarantine: ({ projection }) => ({
    ...{ foldedCount: 1, leftCount: 1 },
    projection: projectionsOf().find(({ name }) => name === projection),
  }),
  raiseAlarm,
  updateAlarm,
  cutLink: ({ siteId }) => setLink(siteId, true),
  restoreLink: ({ siteId }) => setLink(siteId, false),
  createEvidenceLock: (args, { user }) => {
    const device = devices.find(item => item.id === args.deviceIds[0]);
    const lock = {
      ...{
        id: randomUUID(),
        siteId: device.siteId,
        description: '',
        expiresAt: null,
        ...args,
        state: 'ACTIVE',
      },
      ...{ createdAt: iso(Date.now()), createdBy: user, releasedAt: null, releasedReason: null },
    };
    locks.unshift(lock);
    append(device.siteId, `evidence-lock-${lock.id}`, 'EvidenceLockCreated', args, user);
    return { command: commandFor(device.siteId), evidenceLock: lockView(lock) };
  },
  extendEvidenceLock: ({ id, ...change }, { user }) => {
    const lock = Object.assign(
      locks.find(item => item.id === id),
      change,
    );
    append(lock.siteId, `evidence-lock-${id}`, 'EvidenceLockExtended', change, user);
    return { command: commandFor(lock.siteId), evidenceLock: lockView(lock) };
  },
  releaseEvidenceLock: ({ id, reason }, { user }) => {
    const lock = Object.assign(
      locks.find(item => item.id === id),
      { state: 'RELEASED', releasedAt: iso(Date.now()), releasedReason: reason },
    );
    append(lock.siteId, `evidence-lock-${id}`, 'EvidenceLockReleased', { reason }, user);
    return { command: commandFor(lock.siteId), evidenceLock: lockView(lock) };
  },
  requestRetrieval: ({ deviceIds, from, to }, { user }) =>
    deviceIds.map(deviceId => {
      const retrieval = {
        ...{
          id: randomUUID(),
          deviceId,
          fromMs: Date.parse(from),
          toMs: Date.parse(to),
          trigger: 'REQUEST',
          state: 'PENDING',
        },
        ...{
          progress: 0,
          totalBytes: 2e8,
          requestedAt: iso(Date.now()),
          requestedBy: user,
          endedAt: null,
          detail: null,
        },
      };
      retrievals.unshift(retrieval);
      announce('retrieval', retrieval);
      return retrievalView(retrieval);
    }),
  cancelRetrieval: ({ id }) => {
    const retrieval = Object.assign(
      retrievals.find(item => item.id === id),
      { state: 'CANCELLED', endedAt: iso(Date.now()) },
    );
    announce('retrieval', retrieval);
    return retrievalView(retrieval);
  },
  updateDevice: ({ id, ...change }, { user }) => {
    const device = Object.assign(deviceOf(id), change);
    append(device.siteId, `hardware-${device.hardwareId}`, 'DeviceRenamed', change, user);
    return { command: commandFor(device.siteId), device: deviceView(device) };
  },
  moveHardware: ({ id, toRecordingServerId }, { user }) => {
    const box = Object.assign(hardwareOf(id), { recordingServerId: toRecordingServerId });
    const { siteId } = serverOf(toRecordingServerId);
    append(siteId, `hardware-${id}`, 'HardwareMoved', { toRecordingServerId }, user);
    return { command: commandFor(siteId), hardware: hardwareView(box) };
  },
  addHardware: ({ siteId, recordingServerId, camera }, { user }) => {
    const id = randomUUID();
    const box = {
      id,
      name: camera.name,
      address: camera.address,
      recordingServerId,
      connection: 'UNKNOWN',
      connectionSince: null,
      connectionDetail: null,
    };
    hardware.push(box);
    devices.push({
      id: `cam-${id}-9`,
      name: camera.name,
      type: 'CAMERA',
      siteId,
      hardwareId: id,
      enabled: true,
      recordingEnabled: true,
    });
    append(siteId, `hardware-${id}`, 'HardwareAdded', { name: camera.name }, user);
    return { command: commandFor(siteId), hardware: hardwareView(box) };
  },
};

export const rootValue = {
  ...queries,
  ...mutations,
  alarmChanged: ({ since }) =>
    follow('alarm', since, (cursor, a) => ({ alarmChanged: { cursor, alarm: alarmView(a) } })),
  eventAppended: ({ since }) =>
    follow('event', since, (cursor, e) => ({ eventAppended: { cursor, event: eventView(e) } })),
  linkChanged: ({ since }) =>
    follow('link', since, (cursor, id) => ({ linkChanged: { cursor, site: siteView(id) } })),
  retrievalChanged: ({ since }) =>
    follow('retrieval', since, (cursor, r) => ({
      retrievalChanged: { cursor, retrieval: retrievalView(r) },
    })),
};

function advanceRetrievals() {
  for (const item of retrievals) {
    const site = sites.find(s => s.id === deviceOf(item.deviceId).siteId);
    if (!['PENDING', 'IN_PROGRESS'].includes(item.state) || site.link?.state === 'DOWN') continue;
    item.state = 'IN_PROGRESS';
    item.progress = Math.min(1, item.progress + (item.id === 'retrieval-1' ? 0.002 : 0.06));
    if (item.progress >= 1) Object.assign(item, { state: 'COMPLETED', endedAt: iso(Date.now()) });
    const to = item.fromMs + (item.toMs - item.fromMs) * item.progress;
    const span = retrieved.find(entry => entry.id === item.id);
    if (span) span.to = to;
    else retrieved.push({ id: item.id, deviceId: item.deviceId, from: item.fromMs, to });
    announce('retrieval', item);
  }
}

export function startTicking() {
  const types = [
    'RecordingSealed',
    'CameraConnected',
    'RecordingStarted',
    'DeviceRenamed',
    'AlarmAcknowledged',
    'EvidenceLockCreated',
  ];
  for (let index = 400; index > 0; index -= 1) {
    const device = devices[index % devices.length];
    append(
      device.siteId,
      `recording-${device.id}`,
      types[index % 6],
      { deviceId: device.id, segments: index % 7 },
      'recording-server',
      Date.now() - index * 41_000,
    );
  }
  let tick = 0;
  setInterval(() => {
    tick += 1;
    advanceRetrievals();
    for (const site of sites) {
      if (site.link?.state !== 'UP') continue;
      if (site.link.lag > 0) site.link.lag = Math.max(0, site.link.lag - 19);
      site.link.rtt = Math.max(8, site.link.rtt + (tick % 2 ? 0.7 : -0.7));
      announce('link', site.id);
    }
    const device = devices[tick % devices.length];
    if (tick % 2 === 0 && siteOf(device.siteId).link?.state !== 'DOWN')
      append(
        device.siteId,
        `recording-${device.id}`,
        'RecordingSealed',
        { deviceId: device.id, segments: 1 },
        'recording-server',
      );
  }, 1_000);
}
