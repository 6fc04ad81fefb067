import 'reflect-metadata';
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchemaSync } from 'type-graphql';
import type { Sql } from '../postgres/sql.js';
import type { Freshness } from '../read-models/freshness.js';
import { AlarmResolver } from './alarm/alarm.resolver.js';
import type { ApiPorts } from './api-ports.js';
import { AuditResolver } from './audit/audit.resolver.js';
import { BookmarkResolver } from './bookmark/bookmark.resolver.js';
import { CommandResolver } from './command/command.resolver.js';
import { CommandSender } from './command-sender.js';
import { ConfigurationResolver } from './configuration/configuration.resolver.js';
import { EventResolver } from './event/event.resolver.js';
import { EvidenceLockDeviceResolver, EvidenceLockResolver } from './evidence-lock/evidence-lock.resolver.js';
import { CameraResolver } from './hardware/camera.resolver.js';
import { DeviceResolver } from './hardware/device.resolver.js';
import { HardwareResolver } from './hardware/hardware.resolver.js';
import { revealPersonal } from './personal/reveal-personal.js';
import { SubjectResolver } from './personal/subject.resolver.js';
import { RecordingServerResolver } from './recording-server/recording-server.resolver.js';
import { StorageResolver } from './recording-server/storage.resolver.js';
import { requireSignIn } from './require-sign-in.js';
import { RetrievalResolver } from './retrieval/retrieval.resolver.js';
import { SiteResolver } from './site/site.resolver.js';
import { SiteLogResolver } from './site/site-log.resolver.js';
import { SmartSearchResolver } from './smart-search/smart-search.resolver.js';
import { SubscriptionResolver } from './subscription/subscription.resolver.js';
import { ProjectionDifferenceResolver, ProjectionResolver } from './system-status/projection.resolver.js';
import { SystemStatusResolver } from './system-status/system-status.resolver.js';
import { TimelineResolver } from './timeline/timeline.resolver.js';
import { UserResolver } from './user/user.resolver.js';

export interface ApiSchemaOptions {
  readonly sql: Sql;
  readonly ports: ApiPorts;
  readonly freshness: Freshness;
}

/** The executable schema: every field refuses who is not signed in. */
export function createApiSchema({ sql, ports, freshness }: ApiSchemaOptions): GraphQLSchema {
  const commands = new CommandSender(ports, freshness);
  const resolvers: readonly object[] = [
    new UserResolver(),
    new SiteResolver(sql, ports),
    new SiteLogResolver(sql, ports),
    new ConfigurationResolver(sql, ports),
    new RecordingServerResolver(sql),
    new StorageResolver(sql),
    new DeviceResolver(sql, commands),
    new HardwareResolver(commands, ports),
    new CameraResolver(ports),
    new CommandResolver(sql),
    new AlarmResolver(sql, commands, ports),
    new EvidenceLockResolver(sql, commands, ports),
    new EvidenceLockDeviceResolver(),
    new BookmarkResolver(sql, commands, ports),
    new RetrievalResolver(sql, ports, freshness),
    new EventResolver(sql),
    new AuditResolver(sql, ports),
    new SubjectResolver(commands, ports),
    new SmartSearchResolver(ports),
    new TimelineResolver(sql, ports),
    new SystemStatusResolver(sql, ports),
    new ProjectionResolver(sql, ports),
    new ProjectionDifferenceResolver(),
    new SubscriptionResolver(),
  ];
  const instances = new Map(resolvers.map(resolver => [resolver.constructor, resolver]));
  const schema = buildSchemaSync({
    resolvers: [...instances.keys()] as [never],
    container: { get: resolver => instances.get(resolver) },
    validate: false,
    // Every subscription brings its own source; type-graphql wants one all the same.
    pubSub: { publish: () => undefined, subscribe: () => fail() },
  });
  requireSignIn(schema);
  revealPersonal(schema, ports.personal);
  return schema;
}

function fail(): never {
  throw new Error('no subscription uses topics');
}

/** The public SDL, as it is committed in `schema/graphql/holdfast.graphql`. */
export function printSdl(schema: GraphQLSchema): string {
  const header =
    '# The public API of Holdfast. Printed from the types in schema/graphql and the resolvers in central/api:\n# run `node central/dist/api/write-sdl.js` after a change. A test fails when this file is out of date.\n\n';
  return `${header}${printSchema(lexicographicSortSchema(schema))}\n`;
}
