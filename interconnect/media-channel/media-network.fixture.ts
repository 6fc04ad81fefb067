import type { MediaSource } from '@holdfast/core';
import { RecordingServerId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  serverNameOfRole,
} from '../certificates/certificate-authority.js';
import { EmulatedLink } from '../emulated-link/emulated-link.js';
import { createGrpcServer } from '../transport/grpc-server.js';
import {
  type AttachedRecordingServer,
  createMediaChannelService,
  type MediaChannelService,
} from './media-channel-service.js';
import { runMediaChannel } from './run-media-channel.js';

const logger = pino({ level: 'silent' });

/** A parent, a recording server that dials it over mutual TLS, and between the two a link that can be cut and shaped. */
export interface MediaNetwork extends AsyncDisposable {
  readonly service: MediaChannelService;
  readonly link: EmulatedLink;
  readonly server: AttachedRecordingServer;
}

export async function createMediaNetwork(source: MediaSource): Promise<MediaNetwork> {
  const nowMs = Date.now();
  const parentId = SiteId.parse(v7());
  const siteId = SiteId.parse(v7());
  const recordingServerId = RecordingServerId.parse(v7());
  const monotonicMs = () => performance.now();
  const authority = await createCertificateAuthority({ name: 'Test', nowMs });
  const issue = (site: SiteId, role: string) => issuePeerCredentials(authority, { site, role, nowMs });
  const service = createMediaChannelService({ siteId: parentId, software: 'test', monotonicMs, logger });
  const grpcServer = createGrpcServer({ credentials: await issue(parentId, 'central'), logger });
  grpcServer.addService(service.definition, service.implementation);
  const target = { host: '127.0.0.1', ...(await grpcServer.listen({ host: '127.0.0.1', port: 0 })) };
  const link = await EmulatedLink.open({ listenPort: 0, target, now: monotonicMs });
  const stop = new AbortController();
  const running = runMediaChannel(
    {
      parent: { host: '127.0.0.1', port: link.port, serverName: serverNameOfRole('central') },
      credentials: await issue(siteId, 'recording-server'),
      siteId,
      recordingServerId,
      source,
      software: 'test',
      monotonicMs,
      // The shortest waits there can be, so that the test is quick.
      random: () => 0.02,
      logger,
    },
    stop.signal,
  );
  const server = { siteId, recordingServerId };
  await attachedTo(service);
  return {
    service,
    link,
    server,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      await service[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
      await grpcServer[Symbol.asyncDispose]();
    },
  };
}

export function attachedTo(service: MediaChannelService): Promise<void> {
  return new Promise(resolve => {
    if (service.attached().length > 0) return resolve();
    const stop = service.onAttached(() => {
      stop();
      resolve();
    });
  });
}
