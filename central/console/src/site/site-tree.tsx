import { type KeyboardEvent, type RefObject, useEffect, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { Icon } from '../ui/icon';
import { StateMark } from '../ui/state-mark';
import { duration, shortTime, useNow } from '../ui/time';
import { LinkControl } from './link-control';
import { type Device, type Site, useSiteDirectory } from './site-directory';
import { LINES_FOUND_MAX, type TreeNode, treeNodes } from './site-tree.nodes';
import { lagOf, stateOfDevice, stateOfLink } from './state-of';
import { linesInView, type TreeView, treeLayout } from './tree-window';
import './site-tree.css';

/** What a camera carries when it is dragged from the tree to a tile. */
export const DEVICE_MEDIA_TYPE = 'application/x-holdfast-device';

const iconOf = (device: Device) =>
  device.type === 'CAMERA' ? 'camera' : device.type === 'MICROPHONE' ? 'microphone' : 'other';

function SiteLink({ site, nowMs }: { readonly site: Site; readonly nowMs: number }) {
  if (site.link === null) return <span className="dim tree-second">This central</span>;
  const state = stateOfLink(site.link, nowMs);
  const lag = lagOf(site.link);
  const { roundTripMs } = site.link;
  const facts = [
    site.link.state === 'DOWN'
      ? `since ${shortTime(site.link.since, nowMs)} (${duration(nowMs - Date.parse(site.link.since))})`
      : null,
    lag === null ? null : lag === 0 ? 'no lag' : `lag ${lag} events`,
    site.link.state === 'UP' && roundTripMs !== null ? `${roundTripMs.toFixed(0)} ms` : null,
  ].filter(fact => fact !== null);
  return (
    <span
      className="tree-second"
      title={state.detail}
      data-testid={`link-${site.id}`}
      data-state={site.link.state}
    >
      <StateMark {...state} />
      <span className="dim clip">{facts.join(' · ')}</span>
    </span>
  );
}

function SiteLine({
  node,
  nowMs,
  tabIndex,
  onToggle,
}: {
  readonly node: TreeNode & { kind: 'site' };
  readonly nowMs: number;
  readonly tabIndex: number;
  readonly onToggle: () => void;
}) {
  const { site } = node;
  return (
    <>
      <button
        type="button"
        className={`tree-toggle ${node.open ? 'open' : ''}`}
        tabIndex={-1}
        aria-label={node.open ? 'Collapse' : 'Expand'}
        onClick={onToggle}
      >
        <Icon name="chevron" size={12} />
      </button>
      <Icon name={site.link === null ? 'central' : 'site'} />
      <span className="grow tree-site">
        <span className="row">
          <span className="clip grow tree-name">{site.name}</span>
          <LinkControl site={site} tabIndex={tabIndex} />
        </span>
        <SiteLink site={site} nowMs={nowMs} />
      </span>
    </>
  );
}

function DeviceLine({
  node,
  nowMs,
}: {
  readonly node: TreeNode & { kind: 'device' };
  readonly nowMs: number;
}) {
  const state = stateOfDevice(node.device, node.site, nowMs);
  return (
    <>
      <Icon name={iconOf(node.device)} size={14} />
      <span className="grow clip">{node.device.name}</span>
      <span className="tree-state" title={state.detail}>
        <StateMark {...state} />
      </span>
    </>
  );
}

interface SiteTreeProps {
  readonly shownIds: ReadonlySet<string>;
  readonly onOpenDevice: (device: Device) => void;
  readonly onOpenSite: (site: Site) => void;
}

/** What of a scrolled list is seen; as good as all of it until it is measured. */
function useScrolled(list: RefObject<HTMLElement | null>): TreeView {
  const [view, setView] = useState<TreeView>({ topPx: 0, heightPx: window.innerHeight });
  useEffect(() => {
    const element = list.current;
    if (element === null) return;
    const look = () => setView({ topPx: element.scrollTop, heightPx: element.clientHeight });
    const resized = new ResizeObserver(look);
    resized.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, [list]);
  return view;
}

export function SiteTree({ shownIds, onOpenDevice, onOpenSite }: SiteTreeProps) {
  const directory = useSiteDirectory();
  const nowMs = useNow(5000);
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const [filter, setFilter] = useState('');
  const [focusedId, setFocusedId] = useState<string | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const view = useScrolled(list);
  const nodes = useMemo(() => treeNodes(directory, toggled, filter), [directory, toggled, filter]);
  const layout = useMemo(() => treeLayout(nodes), [nodes]);
  const focusIndex = Math.max(
    0,
    nodes.findIndex(node => node.id === focusedId),
  );
  const toggle = (id: string) =>
    setToggled(last => new Set(last.has(id) ? [...last].filter(other => other !== id) : [...last, id]));
  const moveTo = (index: number) => {
    const node = nodes[Math.min(nodes.length - 1, Math.max(0, index))];
    if (node === undefined) return;
    // A line that is out of view is there once it is the one with the focus.
    flushSync(() => setFocusedId(node.id));
    list.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(node.id)}"]`)?.focus();
  };
  const open = (node: TreeNode) => (node.kind === 'site' ? onOpenSite(node.site) : onOpenDevice(node.device));
  const onKeyDown = (event: KeyboardEvent, node: TreeNode, index: number) => {
    if (event.target !== event.currentTarget) return;
    const parent = nodes.findLastIndex((other, at) => at < index && other.level < node.level);
    const isSite = node.kind === 'site';
    const actions = new Map<string, () => void>([
      ['ArrowDown', () => moveTo(index + 1)],
      ['ArrowUp', () => moveTo(index - 1)],
      ['Home', () => moveTo(0)],
      ['End', () => moveTo(nodes.length - 1)],
      ['ArrowRight', () => (isSite && !node.open ? toggle(node.id) : moveTo(index + 1))],
      ['ArrowLeft', () => (isSite && node.open ? toggle(node.id) : moveTo(parent))],
      ['Enter', () => open(node)],
      [' ', () => open(node)],
    ]);
    const action = actions.get(event.key);
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  return (
    <nav className="tree-panel" aria-label="Sites and devices">
      <label className="tree-filter">
        <Icon name="search" size={13} />
        <input
          type="search"
          placeholder="Find a site or device"
          aria-label="Find a site or device"
          value={filter}
          onChange={event => setFilter(event.currentTarget.value)}
          onKeyDown={event => {
            if (event.key === 'Escape') setFilter('');
            if (event.key === 'ArrowDown') moveTo(0);
          }}
        />
      </label>
      <div className="tree" role="tree" aria-label="Sites" ref={list} data-testid="site-tree">
        <div className="tree-lines" style={{ height: layout.heightPx }}>
          {linesInView(layout, view, focusIndex).map(index => {
            const node = nodes[index]!;
            return (
              <div
                key={node.id}
                role="treeitem"
                aria-level={node.level + 1}
                aria-expanded={node.kind === 'site' ? node.open : undefined}
                aria-selected={shownIds.has(node.id)}
                tabIndex={index === focusIndex ? 0 : -1}
                data-node={node.id}
                data-testid={node.kind === 'site' ? `tree-site-${node.id}` : `tree-device-${node.id}`}
                className={`tree-line ${node.kind}`}
                style={{
                  top: layout.topsPx[index],
                  paddingLeft: 6 + node.level * 14 + (node.kind === 'device' ? 8 : 0),
                }}
                draggable={node.kind === 'device' && node.device.type === 'CAMERA'}
                onDragStart={event => event.dataTransfer.setData(DEVICE_MEDIA_TYPE, node.id)}
                onFocus={() => setFocusedId(node.id)}
                onKeyDown={event => onKeyDown(event, node, index)}
                onClick={event => {
                  open(node);
                  // Chosen with the mouse: the keys stay with the page, so that Space plays instead of choosing again.
                  if (event.detail > 0) event.currentTarget.blur();
                }}
              >
                {node.kind === 'site' ? (
                  <SiteLine
                    node={node}
                    nowMs={nowMs}
                    tabIndex={index === focusIndex ? 0 : -1}
                    onToggle={() => toggle(node.id)}
                  />
                ) : (
                  <DeviceLine node={node} nowMs={nowMs} />
                )}
              </div>
            );
          })}
        </div>
        {filter.trim() !== '' && nodes.length >= LINES_FOUND_MAX && (
          <p className="empty">More may be called that: write more of the name.</p>
        )}
        {directory.known && nodes.length === 0 && <p className="empty">Nothing is called that.</p>}
        {!directory.known && directory.error === undefined && <p className="empty">Asking the central …</p>}
        {!directory.known && directory.error !== undefined && (
          <p className="empty">{directory.error.message}</p>
        )}
      </div>
    </nav>
  );
}
