// Serves streams in a file as EventStoreDB would, in a process of its own that a test can kill: FILE PORT [APPEND_BYTES_MAX].
import { pino } from 'pino';
import { openKurrentServer } from './kurrent-server.js';
import { StoredStreams } from './stored-streams.js';

const [file, port, appendBytesMax = String(8 * 1024 * 1024)] = process.argv.slice(2);
if (file === undefined || port === undefined) throw new Error('file and port are needed');

const server = await openKurrentServer({
  streams: new StoredStreams({ file, now: Date.now }),
  ...{ host: '127.0.0.1', port: Number(port), credentials: null, appendBytesMax: Number(appendBytesMax) },
  logger: pino({ level: 'warn' }, process.stderr),
});
process.on('disconnect', () => process.exit(0));
process.send?.(server.port);
