// For tests: media channels over mutual TLS between a central and recording servers of a site, with a link between that can be shaped.
import { setTimeout as delay } from 'node:timers/promises';
import type { MediaSource } from '@holdfast/core';
import {
  createCertificateAuthority,
  createGrpcServer,
  createMediaChannelService,
  EmulatedLink,
  issuePeerCredentials,
  type MediaChannelService,
  runMediaChannel,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { type RecordingServerId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';

const logger = pino({ level: 'silent' });

export interface MediaNetwork extends AsyncDisposable {
  readonly channels: MediaChannelService;
  readonly link: EmulatedLink;
  /** Resolves when the server is attached; what it returns ends its channel. */
  attach(recordingServerId: RecordingServerId, source: MediaSource): Promise<() => Promise<void>>;
}

export async function openMediaNetwork(siteId: SiteId): Promise<MediaNetwork> {
  await using stack = new AsyncDisposableStack();
  const monotonicMs = () => performance.now();
  const parentId = SiteId.parse(v7());
  const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
  const issue = (site: SiteId, role: string) =>
    issuePeerCredentials(authority, { site, role, nowMs: Date.now() });
  const grpcServer = stack.use(createGrpcServer({ credentials: await issue(parentId, 'central'), logger }));
  const channels = stack.use(
    createMediaChannelService({ siteId: parentId, software: 'test', monotonicMs, logger }),
  );
  grpcServer.addService(channels.definition, channels.implementation);
  const target = { host: '127.0.0.1', ...(await grpcServer.listen({ host: '127.0.0.1', port: 0 })) };
  const link = stack.use(await EmulatedLink.open({ listenPort: 0, target, now: monotonicMs }));
  const credentials = await issue(siteId, 'recording-server');
  const parent = { host: '127.0.0.1', port: link.port, serverName: serverNameOfRole('central') };
  const isAttached = (id: RecordingServerId) =>
    channels.attached().some(server => server.recordingServerId === id);
  const opened = stack.move();
  return {
    ...{ channels, link },
    async attach(recordingServerId, source) {
      const stop = new AbortController();
      const running = runMediaChannel(
        {
          ...{ parent, credentials, siteId, recordingServerId, source },
          ...{ software: 'test', monotonicMs, random: () => 0.02, logger },
        },
        stop.signal,
      );
      opened.defer(() => running);
      opened.defer(() => stop.abort());
      while (!isAttached(recordingServerId)) await delay(10);
      return async () => {
        stop.abort();
        await running;
        while (isAttached(recordingServerId)) await delay(10);
      };
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
