import { Name, SiteId } from '@holdfast/schema';
import {
  checkRecording,
  checkTruncation,
  LogPublicKey,
  SiteConfiguration,
  SiteSettings,
} from '@holdfast/sites';
import { z } from 'zod';

const Port = z.int('expected a port number').min(0).max(65535);
const Host = z.string().min(1).default('127.0.0.1');

/** What a process of a central that has a backbone does. */
export type CentralRole = 'intake' | 'projector' | 'api';
const CENTRAL_ROLES = ['intake', 'projector', 'api'] as const satisfies readonly CentralRole[];

const BackboneConfiguration = z.strictObject({
  kafka: z.strictObject({
    /** Some of them; they tell of the others. */
    brokers: z
      .array(z.string().regex(/^[^\s:]+:\d{1,5}$/, 'expected host:port'))
      .min(1)
      .max(100),
    topic: z
      .string()
      .regex(
        /^[A-Za-z0-9._-]{1,249}$/,
        'expected a name of 1 to 249 letters, digits, dots, underscores or dashes',
      )
      .default('holdfast-frames'),
    /** Of a topic that is not there yet. At most so many projector nodes have work. */
    partitions: z.int().min(1).max(1_000).default(12),
    replicas: z.int().min(1).max(15).default(3),
    /** How long projector nodes may be away before what they miss must be asked of the sites again. */
    retentionHours: z.number().min(1).max(8_760).default(168),
    tls: z.boolean().default(false),
    /** SCRAM-SHA-512. The file holds the password, and nothing else. */
    signIn: z.strictObject({ userName: z.string().min(1), passwordFile: z.string().min(1) }).optional(),
  }),
  /** Of this process: intake nodes publish, projector nodes store, and one process has the own log, the console and the API. */
  roles: z.array(z.enum(CENTRAL_ROLES)).min(1, 'expected at least one of intake, projector, api').max(3),
});
export type BackboneConfiguration = z.infer<typeof BackboneConfiguration>;

const PARENT_WITH_BACKBONE =
  'PARENT_WITH_BACKBONE: expected none: a central with a backbone is the topmost; leave out parent or backbone';

/**
 * Cameras and recordings belong to the process with the own log. Only the topmost central has a backbone: intake nodes do not know
 * what a parent above acknowledged, and would tell children that the topmost holds what only Kafka does.
 */
function checkRoles(
  {
    backbone,
    parent,
    recordingServers,
    cameras,
  }: Pick<CentralSettings, 'backbone' | 'parent' | 'recordingServers' | 'cameras'>,
  context: z.RefinementCtx,
): void {
  if (!backbone) return;
  const fault = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  if (parent !== undefined) fault(['parent'], PARENT_WITH_BACKBONE);
  for (const [index, role] of backbone.roles.entries()) {
    if (backbone.roles.indexOf(role) < index) {
      fault(['backbone', 'roles', index], `expected each role once: ${role} is there already`);
    }
  }
  if (backbone.roles.includes('api')) return;
  if (recordingServers.length > 0) {
    fault(['recordingServers'], 'expected none: they belong to the process with the role api');
  }
  if (cameras.length > 0) fault(['cameras'], 'expected none: they belong to the process with the role api');
}

/** A central is a site with more roles: children report to it, and people look through it. */
const CentralSettings = SiteSettings.omit({
  role: true,
  operations: true,
  credentials: true,
}).extend({
  role: z.literal('central'),
  /** As for a site; required, because children dial this server. */
  credentials: z.string().min(1),
  /** Where children dial: replication and media channels, gRPC with mutual TLS. */
  listen: z.strictObject({
    host: Host,
    port: Port,
    /** How often each side of a link is heard; three in silence end it. Below the minute after which carrier NATs forget. */
    heartbeatSeconds: z.number().min(1).max(60).default(20),
  }),
  /** Console, GraphQL, media and `/healthz`, on one port. */
  http: z.strictObject({ host: Host, port: Port.default(8080) }).prefault({}),
  /** Sites that may report here; each proves itself by a certificate of our authority that names its id. */
  children: z
    .array(
      z.strictObject({
        id: SiteId,
        name: Name,
        certificate: z.string().min(1),
        /** What the site signs its log with, as `holdfast init` printed it. Without it the first key that it shows counts. */
        logPublicKey: LogPublicKey.optional(),
      }),
    )
    .max(10_000)
    .default([]),
  /** For more children than one process can take in: see `docs/ARCHITECTURE.md`, Outgrowing one machine. */
  backbone: BackboneConfiguration.optional(),
  /** The demonstration's emulated links, which console and API may cut and restore. */
  emulatedLinks: z.strictObject({ url: z.url(), tokenFile: z.string().min(1) }).optional(),
});
type CentralSettings = z.infer<typeof CentralSettings>;

export const CentralConfiguration = CentralSettings.superRefine(checkRecording)
  .superRefine(checkTruncation)
  .superRefine(checkRoles);
export type CentralConfiguration = z.infer<typeof CentralConfiguration>;

export const AnyConfiguration = z.discriminatedUnion('role', [SiteConfiguration, CentralConfiguration], {
  error: 'expected role: site or role: central',
});
export type AnyConfiguration = z.infer<typeof AnyConfiguration>;
