import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '@holdfast/interconnect';
import { HardwareId, Name, RecordingServerId, SiteId } from '@holdfast/schema';
import { z } from 'zod';

/**
 * What the demonstration consists of, kept from start to start in `demonstration.json` (mode 0600): the ids are what
 * makes a second start continue. `token` guards the control of the emulated links.
 */
export const DemonstrationPlan = z.object({
  token: z.string().min(32),
  central: z.object({ id: SiteId, name: Name, recordingServer: RecordingServerId }),
  sites: z.array(
    z.object({
      id: SiteId,
      name: Name,
      directory: z.string(),
      recordingServers: z.array(z.object({ id: RecordingServerId, name: Name })),
      cameras: z.array(
        z.object({
          hardwareId: HardwareId,
          name: Name,
          recordingServer: RecordingServerId,
          /** The simulated camera's clip, or the user's own camera. */
          source: z.union([z.object({ clip: z.string() }), z.object({ url: z.string() })]),
        }),
      ),
    }),
  ),
  /** Kept, because the cameras' addresses are facts in the sites' logs. Null before the first start. */
  camerasPort: z.int().min(1).max(65535).nullable(),
  /** Where the link control listens; of the run that is under way, or of the last one. */
  linkControlUrl: z.string().nullable(),
});
export type DemonstrationPlan = z.infer<typeof DemonstrationPlan>;
export type PlannedSite = DemonstrationPlan['sites'][number];
export type PlannedCamera = PlannedSite['cameras'][number];

const CAMERAS_PER_SITE = 2;
const siteNames = [
  'Harbour terminal',
  'North depot',
  'Market Street branch',
  'Airport branch',
  'Old Town branch',
];

/** Holds `token` alone: what the central's configuration names. */
export const LINK_CONTROL_TOKEN_FILE = 'link-control.token';

export function planFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'demonstration.json');
}

export class DemonstrationPlanError extends Error {
  override readonly name = 'DemonstrationPlanError';
  readonly code = 'DEMONSTRATION_PLAN_WRONG';
}

/** Reads the plan of an earlier start and completes it, or makes a new one. */
export function preparePlan(options: {
  readonly dataDirectory: string;
  readonly siteCount: number;
  readonly cameraUrls: readonly string[];
  readonly clips: readonly { readonly name: string; readonly title: string }[];
}): DemonstrationPlan {
  const plan = readPlan(options.dataDirectory) ?? {
    token: randomBytes(32).toString('base64url'),
    central: { id: newId(SiteId), name: 'Central', recordingServer: newId(RecordingServerId) },
    sites: [],
    camerasPort: null,
    linkControlUrl: null,
  };
  const sites = [...plan.sites];
  while (sites.length < options.siteCount) sites.push(newSite(sites.length, options.clips));
  if (sites[0]) sites[0] = withOwnCameras(sites[0], options.cameraUrls);
  return { ...plan, sites };
}

export function readPlan(dataDirectory: string): DemonstrationPlan | null {
  const file = planFile(dataDirectory);
  if (!existsSync(file)) return null;
  try {
    return DemonstrationPlan.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new DemonstrationPlanError(`${file} is not a demonstration of this version`, { cause });
  }
}

export function writePlan(dataDirectory: string, plan: DemonstrationPlan): void {
  makeFolder(dataDirectory);
  const file = planFile(dataDirectory);
  writeFileSync(`${file}.new`, `${JSON.stringify(plan, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  writeFileSync(path.join(dataDirectory, LINK_CONTROL_TOKEN_FILE), plan.token, { mode: 0o600 });
}

function newSite(
  index: number,
  clips: readonly { readonly name: string; readonly title: string }[],
): PlannedSite {
  const recordingServers = ['Recording server A', 'Recording server B'].map(name => ({
    id: newId(RecordingServerId),
    name,
  }));
  return {
    id: newId(SiteId),
    name: siteNames[index] ?? `Site ${index + 1}`,
    directory: `site-${index + 1}`,
    recordingServers,
    cameras: Array.from({ length: CAMERAS_PER_SITE }, (_, camera) => {
      const clip = clips[(index * CAMERAS_PER_SITE + camera) % clips.length]!;
      return {
        hardwareId: newId(HardwareId),
        name: clip.title,
        recordingServer: recordingServers[camera % recordingServers.length]!.id,
        source: { clip: clip.name },
      };
    }),
  };
}

/** The user's cameras take the places of simulated ones at the first site, and more places when there are more. */
function withOwnCameras(site: PlannedSite, urls: readonly string[]): PlannedSite {
  const known = new Set(site.cameras.flatMap(camera => ('url' in camera.source ? [camera.source.url] : [])));
  const added = urls
    .filter(url => !known.has(url))
    .map((url, index) => ({
      hardwareId: newId(HardwareId),
      name: new URL(url).hostname || `Camera ${index + 1}`,
      recordingServer: site.recordingServers[index % site.recordingServers.length]!.id,
      source: { url },
    }));
  if (urls.length === 0) return site;
  const own = [...site.cameras.filter(camera => 'url' in camera.source), ...added];
  const simulated = site.cameras.filter(camera => 'clip' in camera.source);
  const placesLeft = Math.max(0, CAMERAS_PER_SITE - own.length);
  const cameras = [...own, ...simulated.slice(Math.max(0, simulated.length - placesLeft))];
  return { ...site, cameras };
}

function newId<Id extends z.ZodType>(schema: Id): z.infer<Id> {
  return schema.parse(randomUUID());
}
