import { useState } from 'react';
import { AlarmsPage } from '../alarm/alarms.page';
import { ConfigurationPage } from '../configuration/configuration.page';
import { EventsPage } from '../event/events.page';
import { EvidenceLocksPage } from '../evidence-lock/evidence-locks.page';
import { IntegrityPage } from '../integrity/integrity.page';
import { LivePage } from '../live/live.page';
import { showDevice, showDevices, useLiveLayout } from '../live/live-layout.store';
import { PlaybackPage } from '../playback/playback.page';
import { lastPlayed, toggled } from '../playback/playback-devices.store';
import { RetrievalsPage } from '../retrieval/retrievals.page';
import { useCentralConnection } from '../session/central-connection.store';
import { type Connection, request } from '../session/graphql.client';
import { useSession } from '../session/session.store';
import { useQuery } from '../session/use-query';
import { type Device, type Site, SiteDirectoryProvider, useSiteDirectory } from '../site/site-directory';
import { SiteTree } from '../site/site-tree';
import { SitesPage } from '../site/sites.page';
import { Notices } from '../ui/notices';
import { ShortcutOverview } from '../ui/shortcut-overview';
import { useShortcuts } from '../ui/shortcuts';
import { Banners } from './banners';
import { currentPlace, go, type Place, SECTIONS, usePlace } from './place';
import { useSubscriptions } from './subscriptions';
import { TopBar } from './top-bar';
import './shell.css';

const NEW_ALARMS = `query NewAlarms { alarms(filter: { states: [NEW] }, first: 1) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } totalCount } }`;

function useNewAlarmCount(): number {
  const ask = () => request<{ alarms: Connection<{ id: string }> }>(NEW_ALARMS);
  return useQuery('new-alarms', ask, ['alarms']).data?.alarms.totalCount ?? 0;
}

function Page({ place }: { readonly place: Place }) {
  if (place.section === 'live') return <LivePage />;
  if (place.section === 'playback') return <PlaybackPage place={place} />;
  if (place.section === 'alarms') return <AlarmsPage place={place} />;
  if (place.section === 'events') return <EventsPage place={place} />;
  if (place.section === 'evidence-locks') return <EvidenceLocksPage />;
  if (place.section === 'retrievals') return <RetrievalsPage />;
  if (place.section === 'integrity') return <IntegrityPage />;
  if (place.section === 'configuration') return <ConfigurationPage place={place} />;
  return <SitesPage place={place} />;
}

function openDevice(device: Device, place: Place): void {
  if (device.type !== 'CAMERA') return;
  if (place.section === 'playback') {
    const shown = currentPlace().parameters.get('devices')?.split(',') ?? lastPlayed();
    const at = currentPlace().parameters.get('at');
    const devices = toggled(
      shown.filter(id => id !== ''),
      device.id,
    ).join();
    go('playback', null, at === null ? { devices } : { devices, at });
    return;
  }
  if (place.section !== 'live') go('live');
  showDevice(device.id);
}

function openSite(site: Site, place: Place, devices: readonly Device[]): void {
  const cameras = devices
    .filter(device => device.site.id === site.id && device.type === 'CAMERA')
    .map(device => device.id);
  if (place.section === 'configuration') go('configuration', site.id);
  else if (place.section === 'live' && cameras.length > 0) showDevices(cameras.slice(0, 16));
  else go('sites', site.id);
}

function useShownIds(place: Place): ReadonlySet<string> {
  const layout = useLiveLayout();
  if (place.section === 'live') return new Set(layout.tiles.filter(id => id !== null));
  if (place.section === 'playback') return new Set(place.parameters.get('devices')?.split(','));
  const isOfSite = place.section === 'sites' || place.section === 'configuration';
  return new Set(isOfSite && place.item !== null ? [place.item] : []);
}

function Workplace() {
  const place = usePlace();
  const { devices } = useSiteDirectory();
  const { session } = useSession();
  const retry = useSubscriptions(session?.token ?? '');
  const newAlarms = useNewAlarmCount();
  const shownIds = useShownIds(place);
  const central = useCentralConnection();
  const [overview, setOverview] = useState(false);
  const [tree, setTree] = useState(true);
  useShortcuts([
    ...SECTIONS.map(entry => ({
      keys: entry.keys,
      label: entry.label,
      group: 'Go to',
      run: () => go(entry.section),
    })),
    { keys: '?', label: 'This overview', group: 'Everywhere', run: () => setOverview(true) },
    { keys: 't', label: 'Show or hide the tree', group: 'Everywhere', run: () => setTree(shown => !shown) },
    {
      keys: '/',
      label: 'Find a site or device',
      group: 'Everywhere',
      run: () => document.querySelector<HTMLElement>('.tree-filter input')?.focus(),
    },
  ]);
  return (
    <div className="shell" data-tree={tree} data-central={central.state}>
      <button type="button" className="skip" onClick={() => document.getElementById('content')?.focus()}>
        Skip to the page
      </button>
      <TopBar
        newAlarms={newAlarms}
        onShortcuts={() => setOverview(true)}
        onToggleTree={() => setTree(!tree)}
      />
      <div className="banners">
        <Banners onRetry={retry} />
      </div>
      {tree && (
        <SiteTree
          shownIds={shownIds}
          onOpenDevice={device => openDevice(device, place)}
          onOpenSite={site => openSite(site, place, devices)}
        />
      )}
      <main className="content" id="content" tabIndex={-1}>
        <Page place={place} />
      </main>
      <Notices />
      <ShortcutOverview opened={overview} onClose={() => setOverview(false)} />
    </div>
  );
}

export function Shell() {
  return (
    <SiteDirectoryProvider>
      <Workplace />
    </SiteDirectoryProvider>
  );
}
