import { parentPort, workerData } from 'node:worker_threads';
import { type SiteLogSalvage, salvageSiteLog } from './salvage-site-log.js';

parentPort?.postMessage(await salvageSiteLog(workerData as SiteLogSalvage));
