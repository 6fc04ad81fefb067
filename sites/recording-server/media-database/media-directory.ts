import { mkdir, open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '@holdfast/interconnect';
import type { DeviceId, SegmentId } from '@holdfast/schema';

/**
 * Where the files of a media database are:
 *
 *   index.sqlite                                       rebuilt from the files when it is lost
 *   heat-map.sqlite                                    what moved where; lost with the file, and no evidence
 *   media-keys.json                                    keys of what is encrypted, sealed by a password
 *   ballast                                            room for the moment in which the disk is full
 *   retention-clock                                    the time by which recordings were judged last
 *   probe                                              whether the disk takes writes again; gone at once
 *   open/<segmentId>.mp4                               being recorded; after a crash, to be recovered
 *   import/<segmentId>.mp4                             being copied from another site
 *   pre-buffer/<deviceId>.<n>                          never recorded: emptied at each start
 *   segments/<deviceId>/<yyyy-mm-dd>/<segmentId>.mp4   sealed; the day (UTC) is that of the first picture
 *   damaged/<deviceId>/<yyyy-mm-dd>/<segmentId>.mp4    what a repair could save nothing of
 */
export class MediaDirectory {
  readonly root: string;
  readonly indexFile: string;
  readonly heatMapFile: string;
  readonly ballastFile: string;
  readonly retentionClockFile: string;
  readonly probeFile: string;
  readonly openFolder: string;
  readonly importFolder: string;
  readonly segmentsFolder: string;
  readonly damagedFolder: string;

  constructor(root: string) {
    this.root = root;
    this.indexFile = path.join(root, 'index.sqlite');
    this.heatMapFile = path.join(root, 'heat-map.sqlite');
    this.ballastFile = path.join(root, 'ballast');
    this.retentionClockFile = path.join(root, 'retention-clock');
    this.probeFile = path.join(root, 'probe');
    this.openFolder = path.join(root, 'open');
    this.importFolder = path.join(root, 'import');
    this.segmentsFolder = path.join(root, 'segments');
    this.damagedFolder = path.join(root, 'damaged');
  }

  /** What must be there before anything is written. */
  get folders(): readonly string[] {
    return [this.openFolder, this.importFolder, this.segmentsFolder];
  }

  async create(): Promise<void> {
    for (const folder of this.folders) makeFolder(folder);
  }

  /** In a folder that is there: where the disk is gone, nothing is made on the one beneath. */
  async makeDayFolder(segment: { readonly deviceId: DeviceId; readonly fromMs: number }): Promise<void> {
    const day = this.dayFolder(segment);
    for (const folder of [path.dirname(day), day]) await mkdir(folder).catch(existingAsUndefined);
  }

  openFile(segmentId: SegmentId): string {
    return path.join(this.openFolder, `${segmentId}.mp4`);
  }

  importFile(segmentId: SegmentId): string {
    return path.join(this.importFolder, `${segmentId}.mp4`);
  }

  sealedFile(segment: {
    readonly deviceId: DeviceId;
    readonly segmentId: SegmentId;
    readonly fromMs: number;
  }): string {
    return path.join(this.dayFolder(segment), `${segment.segmentId}.mp4`);
  }

  dayFolder(segment: { readonly deviceId: DeviceId; readonly fromMs: number }): string {
    const day = new Date(segment.fromMs).toISOString().slice(0, 10);
    return path.join(this.segmentsFolder, segment.deviceId, day);
  }
}

/** Null when the disk takes writes, or would if it were not full; else why not. */
export async function probeWrite({ probeFile: file }: MediaDirectory): Promise<string | null> {
  try {
    const handle = await open(file, 'w');
    try {
      await handle.write('probe');
      await handle.datasync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return message;
  }
  await unlink(file).catch(() => undefined);
  return null;
}

export function existingAsUndefined(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}
