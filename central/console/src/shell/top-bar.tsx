import { Menu } from '@mantine/core';
import { useState } from 'react';
import { useCentralConnection } from '../session/central-connection.store';
import { signOut, useSession } from '../session/session.store';
import { RenewSessionDialog } from '../sign-in/renew-session.dialog';
import { Icon } from '../ui/icon';
import { StateMark } from '../ui/state-mark';
import { clock, day, shortTime, useNow, zoneAt } from '../ui/time';
import { hrefOf, SECTIONS, usePlace } from './place';

function SectionTabs({ newAlarms }: { readonly newAlarms: number }) {
  const { section } = usePlace();
  return (
    <nav className="tabs" aria-label="Sections">
      {SECTIONS.map(entry => (
        <a
          key={entry.section}
          href={hrefOf(entry.section)}
          aria-current={entry.section === section ? 'page' : undefined}
          title={`${entry.label} (${entry.keys})`}
          data-testid={`tab-${entry.section}`}
        >
          {entry.label}
          {entry.section === 'alarms' && (
            <span
              className="badge"
              data-new={newAlarms > 0}
              data-testid="new-alarms"
              title={`${newAlarms} new alarms`}
            >
              {newAlarms > 99 ? '99+' : newAlarms}
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

function CentralState() {
  const connection = useCentralConnection();
  const since = shortTime(connection.sinceMs);
  const marks = {
    UP: { tone: 'good', shape: 'disc', word: 'Connected' },
    CONNECTING: { tone: 'warn', shape: 'half', word: 'Connecting' },
    DOWN: { tone: 'bad', shape: 'triangle', word: 'Not connected' },
  } as const;
  return (
    <span
      className="central-state"
      title={`Connection to the central: ${marks[connection.state].word} since ${since}`}
      data-testid="central-state"
      data-state={connection.state}
    >
      <StateMark {...marks[connection.state]} />
    </span>
  );
}

function Clock() {
  const now = useNow(1000);
  return (
    <span className="top-clock" title="Local time of this computer">
      <span className="dim top-day">{day(now)}</span>
      <b>{clock(now)}</b>
      <span className="dim">{zoneAt(now)}</span>
    </span>
  );
}

function UserMenu({ onShortcuts }: { readonly onShortcuts: () => void }) {
  const { session } = useSession();
  const [renewing, setRenewing] = useState(false);
  if (session === null) return null;
  return (
    <>
      <Menu position="bottom-end" width={220} transitionProps={{ duration: 0 }}>
        <Menu.Target>
          <button type="button" className="plain" data-testid="user-menu">
            <Icon name="user" />
            <span className="clip top-user">{session.userName}</span>
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            Session until {clock(session.expiresAtMs)} {zoneAt(session.expiresAtMs)}
          </Menu.Label>
          <Menu.Item leftSection={<Icon name="refresh" />} onClick={() => setRenewing(true)}>
            Renew the session
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="keyboard" />} rightSection={<kbd>?</kbd>} onClick={onShortcuts}>
            Keyboard
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="out" />} onClick={signOut} data-testid="sign-out">
            Sign out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <RenewSessionDialog opened={renewing} onClose={() => setRenewing(false)} />
    </>
  );
}

interface TopBarProps {
  readonly newAlarms: number;
  readonly onShortcuts: () => void;
  readonly onToggleTree: () => void;
}

export function TopBar({ newAlarms, onShortcuts, onToggleTree }: TopBarProps) {
  return (
    <header className="top-bar">
      <button
        type="button"
        className="plain square"
        aria-label="Show or hide the tree of sites"
        title="Tree of sites (t)"
        onClick={onToggleTree}
      >
        <Icon name="sidebar" />
      </button>
      <span className="brand">
        <Icon name="central" size={18} />
        Holdfast
      </span>
      <SectionTabs newAlarms={newAlarms} />
      <span className="grow" />
      <CentralState />
      <Clock />
      <UserMenu onShortcuts={onShortcuts} />
    </header>
  );
}
