export const HEAT_MAP_ROW_MS = 60_000;

export interface HeatMapPicture {
  readonly atMs: number;
  /** Of each cell of the grid, row by row, 1 when it moves. */
  readonly cells: Uint8Array;
}

/** One minute of a device; see SPEC.md. */
export interface HeatMapRow {
  /** A multiple of `HEAT_MAP_ROW_MS`. */
  readonly fromMs: number;
  readonly bytes: Uint8Array;
}

export function heatMapRowOf(atMs: number): number {
  return atMs - (atMs % HEAT_MAP_ROW_MS);
}

/** All of one minute, in order of time, and of one grid. */
export function encodeHeatMap(
  fromMs: number,
  gridSide: number,
  pictures: readonly HeatMapPicture[],
): Uint8Array {
  const bytes = [gridSide];
  let before = fromMs;
  for (const { atMs, cells } of pictures) {
    pushVarint(bytes, atMs - before);
    before = atMs;
    let value = 0;
    let length = 0;
    for (const cell of cells) {
      if (cell !== value) {
        pushVarint(bytes, length);
        value = cell;
        length = 0;
      }
      length += 1;
    }
    pushVarint(bytes, length);
  }
  return Uint8Array.from(bytes);
}

/** Stops at what is cut off. */
export function decodeHeatMap({ fromMs, bytes }: HeatMapRow): readonly HeatMapPicture[] {
  const pictures: HeatMapPicture[] = [];
  walk({ fromMs, bytes }, (atMs, runs, cellCount) => {
    const cells = new Uint8Array(cellCount);
    for (const { start, end } of runs) cells.fill(1, start, end);
    pictures.push({ atMs, cells });
  });
  return pictures;
}

export interface HeatMapQuery {
  /** One character for each cell of a square grid, row by row: `1` is searched. Any grid: it is laid over that of the map. */
  readonly mask: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the cells that are searched, how many in a thousand must move. */
  readonly thresholdPermille: number;
}

/** When enough of the region moved. Nothing is decoded: a day of a camera is some thousand pictures of some bytes each. */
export function searchHeatMap(rows: Iterable<HeatMapRow>, query: HeatMapQuery): readonly number[] {
  const found: number[] = [];
  const regions = new Map<number, Region>();
  for (const row of rows) {
    const gridSide = row.bytes[0] ?? 0;
    let region = regions.get(gridSide);
    if (region === undefined) {
      region = regionOf(query.mask, gridSide);
      regions.set(gridSide, region);
    }
    const { before, count } = region;
    const wanted = Math.max(1, Math.ceil((count * query.thresholdPermille) / 1000));
    walk(row, (atMs, runs) => {
      if (atMs < query.fromMs || atMs >= query.toMs) return;
      let moving = 0;
      for (const { start, end } of runs) moving += before[end]! - before[start]!;
      if (moving >= wanted) found.push(atMs);
    });
  }
  return found;
}

/** How many cells that are searched lie before each cell of the map. */
interface Region {
  readonly before: Uint32Array;
  readonly count: number;
}

function regionOf(mask: string, gridSide: number): Region {
  const maskSide = Math.sqrt(mask.length);
  const before = new Uint32Array(gridSide ** 2 + 1);
  for (let cell = 0; cell < gridSide ** 2; cell += 1) {
    const row = Math.floor((Math.floor(cell / gridSide) * maskSide) / gridSide);
    const column = Math.floor(((cell % gridSide) * maskSide) / gridSide);
    before[cell + 1] = before[cell]! + (mask[row * maskSide + column] === '1' ? 1 : 0);
  }
  return { before, count: before[gridSide ** 2]! };
}

interface Run {
  readonly start: number;
  readonly end: number;
}

function walk(
  { fromMs, bytes }: HeatMapRow,
  visit: (atMs: number, movingRuns: readonly Run[], cellCount: number) => void,
): void {
  const cellCount = (bytes[0] ?? 0) ** 2;
  let offset = 1;
  let atMs = fromMs;
  const next = (): number | null => {
    let value = 0;
    for (let shift = 0; shift < 28 && offset < bytes.length; shift += 7) {
      const byte = bytes[offset]!;
      offset += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return null;
  };
  while (offset < bytes.length) {
    const delayMs = next();
    if (delayMs === null) return;
    atMs += delayMs;
    const runs: Run[] = [];
    let cell = 0;
    for (let moving = false; cell < cellCount; moving = !moving) {
      const length = next();
      if (length === null || cell + length > cellCount) return;
      if (moving) runs.push({ start: cell, end: cell + length });
      cell += length;
    }
    visit(atMs, runs, cellCount);
  }
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
}
