import { Name, SiteId } from '@holdfast/schema';
import { checkRecording, LogPublicKey, SiteConfiguration, SiteSettings } from '@holdfast/sites';
import { z } from 'zod';

const Port = z.int('expected a port number').min(0).max(65535);
const Host = z.string().min(1).default('127.0.0.1');

/** A central is a site with more roles: children report to it, and people look through it. */
export const CentralConfiguration = SiteSettings.omit({
  role: true,
  operations: true,
  credentials: true,
})
  .extend({
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
    /** The demonstration's emulated links, which console and API may cut and restore. */
    emulatedLinks: z.strictObject({ url: z.url(), tokenFile: z.string().min(1) }).optional(),
  })
  .superRefine(checkRecording);
export type CentralConfiguration = z.infer<typeof CentralConfiguration>;

export const AnyConfiguration = z.discriminatedUnion('role', [SiteConfiguration, CentralConfiguration], {
  error: 'expected role: site or role: central',
});
export type AnyConfiguration = z.infer<typeof AnyConfiguration>;
