import { useSyncExternalStore } from 'react';

export const GRID_SIZES = [1, 4, 9, 16] as const;
export type GridSize = (typeof GRID_SIZES)[number];

export interface LiveLayout {
  readonly size: GridSize;
  /** Device ids; as many as the grid has tiles. */
  readonly tiles: readonly (string | null)[];
  readonly selected: number;
  /** The tile that fills the whole grid for now. */
  readonly enlarged: number | null;
  readonly unmuted: string | null;
  /** The devices whose controls are open. */
  readonly controlled: readonly string[];
  /** By device, where the operator has chosen another stream than the one that its site shows live. */
  readonly streams: Readonly<Record<string, string>>;
}

const STORAGE_KEY = 'holdfast.live';

const fitTiles = (tiles: readonly (string | null)[], size: GridSize): (string | null)[] =>
  Array.from({ length: size }, (_, index) => tiles[index] ?? null);

const rest = { selected: 0, enlarged: null, unmuted: null, controlled: [] } as const;

function readStored(): LiveLayout | null {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? 'null') as Partial<LiveLayout> | null;
    const size = GRID_SIZES.find(entry => entry === stored?.size);
    return size === undefined || !Array.isArray(stored?.tiles)
      ? null
      : { ...rest, size, tiles: fitTiles(stored.tiles, size), streams: stored.streams ?? {} };
  } catch {
    return null;
  }
}

const stored = readStored();
let layout: LiveLayout = stored ?? { ...rest, size: 4, tiles: fitTiles([], 4), streams: {} };
let untouched = stored === null;
const listeners = new Set<() => void>();

function change(next: Partial<LiveLayout>): void {
  layout = { ...layout, ...next };
  untouched = false;
  const { size, tiles, streams } = layout;
  localStorage.setItem(STORAGE_KEY, JSON.stringify({ size, tiles, streams }));
  for (const listener of listeners) listener();
}

export function useLiveLayout(): LiveLayout {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => layout,
  );
}

export function setGridSize(size: GridSize): void {
  const kept = layout.tiles.filter(id => id !== null);
  const tiles =
    kept.length <= size && layout.tiles.length > size ? fitTiles(kept, size) : fitTiles(layout.tiles, size);
  change({ size, tiles, enlarged: null, selected: Math.min(layout.selected, size - 1) });
}

export function placeDevice(deviceId: string, tile: number): void {
  const from = layout.tiles.indexOf(deviceId);
  // A camera that is already shown changes places with what was there.
  const tiles = layout.tiles.map((id, index) =>
    index === tile ? deviceId : index === from ? (layout.tiles[tile] ?? null) : id,
  );
  change({ tiles, selected: tile });
}

/** Into the selected tile when that is free, else the first free one, else the selected one. */
export function showDevice(deviceId: string): void {
  const shown = layout.tiles.indexOf(deviceId);
  if (shown >= 0) {
    change({ selected: shown });
    return;
  }
  const free = layout.tiles[layout.selected] === null ? layout.selected : layout.tiles.indexOf(null);
  placeDevice(deviceId, free >= 0 ? free : layout.selected);
}

export function showDevices(deviceIds: readonly string[]): void {
  const size = GRID_SIZES.find(entry => entry >= deviceIds.length) ?? 16;
  change({ ...rest, size, tiles: fitTiles(deviceIds, size) });
}

/** The first time, an operator sees pictures instead of an empty grid. */
export function showAtFirst(deviceIds: readonly string[]): void {
  if (untouched && deviceIds.length > 0) showDevices(deviceIds.slice(0, 9));
}

export function closeTile(tile: number): void {
  const enlarged = layout.enlarged === tile ? null : layout.enlarged;
  change({ tiles: layout.tiles.map((id, index) => (index === tile ? null : id)), enlarged });
}

export const selectTile = (selected: number): void => change({ selected });
export const toggleEnlarged = (tile: number): void =>
  change({ enlarged: layout.enlarged === null ? tile : null, selected: tile });
/** Null: the one that the site shows live. */
export const chooseStream = (deviceId: string, stream: string | null): void => {
  const { [deviceId]: _, ...others } = layout.streams;
  change({ streams: stream === null ? others : { ...others, [deviceId]: stream } });
};
export const toggleControls = (deviceId: string): void => {
  const { controlled } = layout;
  const others = controlled.filter(id => id !== deviceId);
  change({ controlled: others.length < controlled.length ? others : [...others, deviceId] });
};
/** One voice at a time. */
export const toggleSound = (deviceId: string): void =>
  change({ unmuted: layout.unmuted === deviceId ? null : deviceId });
