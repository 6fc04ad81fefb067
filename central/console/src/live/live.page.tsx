import { SegmentedControl } from '@mantine/core';
import { useEffect } from 'react';
import { go } from '../shell/place';
import { useSiteDirectory } from '../site/site-directory';
import { useShortcuts } from '../ui/shortcuts';
import { HeldUpVeil } from './held-up-veil';
import {
  closeTile,
  GRID_SIZES,
  type GridSize,
  selectTile,
  setGridSize,
  showAtFirst,
  toggleControls,
  toggleEnlarged,
  toggleSound,
  useLiveLayout,
} from './live-layout.store';
import { LiveTile } from './live-tile';
import './live.css';

function useLiveShortcuts(): void {
  const layout = useLiveLayout();
  const selectedId = layout.tiles[layout.selected] ?? null;
  const group = 'Live';
  const withSelected = (run: (id: string) => void) => () => {
    if (selectedId !== null) run(selectedId);
  };
  const step = (by: number) => selectTile((layout.selected + by + layout.size) % layout.size);
  useShortcuts([
    { keys: 'ArrowRight', label: 'Next tile', group, run: () => step(1) },
    { keys: 'ArrowLeft', label: 'Previous tile', group, run: () => step(-1) },
    { keys: 'f', label: 'Enlarge the tile, and back', group, run: () => toggleEnlarged(layout.selected) },
    { keys: 's', label: 'Sound of the tile', group, run: withSelected(toggleSound) },
    { keys: 'c', label: 'Controls of the camera', group, run: withSelected(toggleControls) },
    {
      keys: 'b',
      label: 'Play back the last 30 seconds',
      group,
      run: withSelected(id =>
        go('playback', null, { devices: id, at: new Date(Date.now() - 30_000).toISOString() }),
      ),
    },
    { keys: 'x', label: 'Close the tile', group, run: () => closeTile(layout.selected) },
    ...GRID_SIZES.map((size, index) => ({
      keys: `${index + 1}`,
      label: `Grid of ${size}`,
      group,
      run: () => setGridSize(size),
    })),
  ]);
}

export function LivePage() {
  const layout = useLiveLayout();
  const directory = useSiteDirectory();
  useLiveShortcuts();
  useEffect(() => {
    const cameras = directory.devices.filter(device => device.type === 'CAMERA' && device.enabled);
    if (directory.known) showAtFirst(cameras.map(device => device.id));
  }, [directory]);
  const playbackAll = () =>
    go('playback', null, {
      devices: layout.tiles
        .filter(id => id !== null)
        .slice(0, 4)
        .join(','),
      at: new Date(Date.now() - 30_000).toISOString(),
    });
  const columns = layout.enlarged === null ? Math.sqrt(layout.size) : 1;
  return (
    <div className="page">
      <header className="page-head">
        <h1>Live</h1>
        <SegmentedControl
          aria-label="Tiles"
          data={GRID_SIZES.map(size => ({ value: `${size}`, label: `${size}` }))}
          value={`${layout.size}`}
          onChange={value => setGridSize(Number(value) as GridSize)}
        />
        <span className="grow" />
        <span className="dim nowrap">
          {layout.tiles.filter(id => id !== null).length} of {layout.size} tiles
        </span>
        <button type="button" className="plain framed" onClick={playbackAll}>
          Play back these
        </button>
      </header>
      <div
        className="live-grid"
        style={{ gridTemplate: `repeat(${columns}, minmax(0, 1fr)) / repeat(${columns}, minmax(0, 1fr))` }}
        data-testid="live-grid"
      >
        <HeldUpVeil />
        {layout.tiles.map((deviceId, tile) =>
          layout.enlarged !== null && layout.enlarged !== tile ? null : (
            <LiveTile
              key={deviceId ?? `free-${tile}`}
              tile={tile}
              deviceId={deviceId}
              selected={tile === layout.selected}
              enlarged={layout.enlarged === tile}
              sounding={deviceId !== null && layout.unmuted === deviceId}
            />
          ),
        )}
      </div>
    </div>
  );
}
