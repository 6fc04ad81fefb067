import type { CameraControl, HeatMapQuery, LinkState, LogHead, PersonalTexts } from '@holdfast/core';
import type {
  CommandId,
  DeviceId,
  OperatorEvent,
  RecordingServerId,
  RetrievalId,
  SiteCommand,
  SiteId,
} from '@holdfast/schema';
import type { LinkHop, LinkToSite } from '../read-models/site/sites.query.js';
import type { ErrorCode } from './error-codes.js';

/** Sends a command to a site, this one or one below, and waits a few seconds for its answer. */
export interface CommandGateway {
  send(
    siteId: SiteId,
    command: SiteCommand,
    /** As it stands in the log: `user:<sealed name>`. */
    options: { readonly actor: string },
  ): Promise<CommandOutcome>;
}

export interface CommandOutcome {
  readonly commandId: CommandId;
  /** `PENDING`: no answer yet; the command keeps its place. */
  readonly state: 'PENDING' | 'APPLIED' | 'REJECTED' | 'EXPIRED';
  /** Of a refusal. */
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Asks for recordings of another site, and takes it back. */
export interface RetrievalRequests {
  request(query: {
    readonly siteId: SiteId;
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly actor: string;
  }): Promise<
    | { readonly requested: true; readonly retrievalId: RetrievalId }
    | { readonly requested: false; readonly refusal: Refusal }
  >;
  cancel(query: {
    readonly retrievalId: RetrievalId;
    readonly actor: string;
  }): Promise<{ readonly cancelled: true } | { readonly cancelled: false; readonly refusal: Refusal }>;
}

export interface LinkView {
  readonly state: LinkState;
  /** When it came up, or since when nothing is known; null when it was never up. */
  readonly sinceMs: number | null;
  /** The link as the timeline takes it: up only when all that the child said it has is folded, in every projection that it is made of. */
  readonly facts: { readonly state: LinkState; readonly sinceMs: number };
  /** Position up to which the child said its log reaches. Null while it is not known. */
  readonly headPosition: number | null;
  readonly roundTripMs: number | null;
  /** How far the child's clock is ahead of ours. */
  readonly clockOffsetMs: number | null;
}

/** What the links to our children are like at this moment. */
export interface LinkViews {
  view(siteId: SiteId): LinkView | null;
  /** Of a site below our child `via`, whose log tells of the link. Null: nothing is known beyond that. */
  relayed(hop: LinkHop, via: SiteId): LinkToSite | null;
  /** How far the log of a site reaches, wherever it is below us, as it said last. Null while that is not known. */
  head(siteId: SiteId): number | null;
}

/** What operators do that no site's command tells of becomes an event before it is done. */
export interface OperatorActions {
  record(events: readonly OperatorEvent[], actor: string): Promise<void>;
}

/** What an administrator does about projections. Both throw `UnknownProjectionError`. */
export interface ProjectionControl {
  /** Asks for them to be built anew beside what is served. */
  rebuild(names: readonly string[]): Promise<void>;
  /** Throws where one of them is none. */
  mustKnow(names: readonly string[]): void;
  /** Tries again what is put aside, and sets the projection going when it stood still. */
  release(projection: string): Promise<{ readonly folded: number; readonly left: number }>;
}

/** The demonstration's emulated links. */
export interface LinkControl {
  cut(siteId: SiteId): Promise<void>;
  restore(siteId: SiteId): Promise<void>;
  /** Null when this site has no emulated link. */
  state(siteId: SiteId): Promise<'CUT' | 'RESTORED' | null>;
}

/** Seals user name and password of a camera to the site that will use them. Null: the site's key is not known yet. */
export type SealCredentials = (siteId: SiteId, userName: string, password: string) => Promise<string | null>;

export interface ServerState {
  readonly name: string;
  readonly state: string;
  readonly detail: string | null;
}

/** What the API needs of the rest of the central. */
export interface ApiPorts {
  readonly ownSite: SiteId;
  readonly ownHead: () => LogHead;
  readonly commands: CommandGateway;
  readonly retrievals: RetrievalRequests;
  /** Of every site that is connected. */
  readonly cameras: CameraControl;
  /** Over what the recording servers of this site hold of a device, in order of time. */
  readonly searchMotion: (deviceId: DeviceId, query: HeatMapQuery) => readonly number[];
  readonly links: LinkViews;
  /** Which recording servers of a site cannot be reached now, though the site can: its own, or one whose link is up. */
  readonly awayAt: (siteId: SiteId) => (recordingServerId: RecordingServerId) => boolean;
  readonly operators: OperatorActions;
  /** Sites of whose evidence locks less is known here than once was, so that no copy of a recording is deleted. */
  readonly awaitedSites: () => ReadonlySet<SiteId>;
  /** The newest cosignature of our parent; null without one. */
  readonly newestReceipt: () => Promise<{
    readonly epoch: number;
    readonly size: number;
    readonly atMs: number;
  } | null>;
  readonly projections: ProjectionControl;
  /** Null where links are real. */
  readonly linkControl: LinkControl | null;
  readonly sealCredentials: SealCredentials;
  /** Opens what is sealed in logs about people. */
  readonly personal: PersonalTexts;
  /** The servers of this central beside the database and the read models, which report themselves. */
  readonly servers: () => readonly ServerState[];
  readonly softwareVersion: string;
  /** Hash of the code that folds logs: what was kept by other code is not used. */
  readonly foldCode: string;
  readonly now: () => number;
  /** A new random UUID. */
  readonly newId: () => string;
}
