import { parentPort, workerData } from 'node:worker_threads';
import { type DamagedLog, readableLocks } from './set-aside-locks.js';

parentPort?.postMessage(readableLocks(workerData as DamagedLog));
