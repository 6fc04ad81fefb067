import { parentPort, workerData } from 'node:worker_threads';
import { runSome, type ScheduleWork } from './run-schedules.js';

parentPort?.postMessage(await runSome(workerData as ScheduleWork));
