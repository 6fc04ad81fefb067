import { createRequire } from 'node:module';
import type {
  ConnectionOptions,
  parseConnectionString,
} from '@eventstore/db-client/dist/Client/parseConnectionString.js';
import { isLoopback } from '@holdfast/interconnect';
import { z } from 'zod';

/** Loaded where such a text is read: most sites keep their log in a file. */
const require = createRequire(import.meta.url);
const PARSER = '@eventstore/db-client/dist/Client/parseConnectionString.js';

/** `esdb://…`: where a log is kept that is not a file. */
export const KurrentConnectionString = z.string().superRefine((text, context) => {
  const fault = faultOf(text);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

/** A server of a site's log in the protocol of EventStoreDB and KurrentDB, for reading. */
export const KurrentServerConfiguration = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: z.int('expected a port number').min(0).max(65535).default(2113),
    /** With the site's `credentials`, for clients with a certificate of the same authority. Required off the loopback. */
    tls: z.boolean().default(false),
  })
  .superRefine(({ host, tls }, context) => {
    if (tls || isLoopback(host)) return;
    const message = 'expected true: without TLS the log is served on the loopback only';
    context.addIssue({ code: 'custom', path: ['tls'], message });
  });

/** The files of certificates that such a text names, as the client reads them: whom it believes, and its own. */
export function tlsFilesOf(connectionString: string): {
  readonly authorities: string | undefined;
  readonly own: string | undefined;
} {
  const parser = require(PARSER) as { readonly parseConnectionString: typeof parseConnectionString };
  const { tlsCAFile, userCertFile } = parser.parseConnectionString(connectionString);
  return { authorities: tlsCAFile, own: userCertFile };
}

/** Says nothing of the text itself: it may hold a password. */
function faultOf(text: string): string | null {
  if (!/^esdb(\+discover)?:\/\//.test(text)) return 'expected esdb://HOST:PORT or esdb+discover://HOST:PORT';
  const parser = require(PARSER) as { readonly parseConnectionString: typeof parseConnectionString };
  let options: ConnectionOptions;
  try {
    options = parser.parseConnectionString(text);
  } catch {
    return 'expected esdb://[USER:PASSWORD@]HOST[:PORT][,HOST…][?tls=…&tlsCAFile=…], percent-encoded';
  }
  const { tls = true, defaultCredentials, hosts, tlsVerifyCert, throwOnAppendFailure } = options;
  if (!tls && defaultCredentials !== undefined) {
    return 'expected tls=true: without TLS the client leaves user and password out';
  }
  if (!tls && !hosts.every(({ address }) => isLoopback(address))) {
    return 'expected tls=true: without TLS only a server on this machine is spoken to';
  }
  if (tlsVerifyCert === false) return 'expected no tlsVerifyCert: name the authority in tlsCAFile';
  if (throwOnAppendFailure === false) return 'expected no throwOnAppendFailure: the log needs to hear of it';
  return null;
}
