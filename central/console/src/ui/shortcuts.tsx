import { useEffect, useRef } from 'react';

/** `keys` is one key (`k`, `?`, `ArrowLeft`, `Shift+ArrowLeft`, `Space`) or two in a row (`g l`). */
export interface Shortcut {
  readonly keys: string;
  readonly label: string;
  readonly group: string;
  readonly run: () => void;
}

/** The second key of a pair must follow within this. */
const PAIR_MS = 1200;

const layers: { current: readonly Shortcut[] }[] = [];
let firstKey: { key: string; atMs: number } | null = null;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
  !(target instanceof HTMLInputElement && /^(checkbox|radio|range|button)$/.test(target.type));

/** Space and Enter belong to a focused button, arrows to a focused tree or list, all keys to an open menu. */
const belongsToFocus = (event: KeyboardEvent): boolean => {
  const { target } = event;
  if (!(target instanceof Element)) return false;
  if (target.closest('[role=menu]') != null) return true;
  if (event.key === ' ' || event.key === 'Enter')
    return target.closest('button, a, [role=tab], [role=treeitem], [role=row]') != null;
  if (event.key.startsWith('Arrow'))
    return target.closest('[role=tree], [role=grid], [role=radiogroup], [role=listbox]') != null;
  return false;
};

function nameOf(event: KeyboardEvent): string {
  const key = event.key === ' ' ? 'Space' : event.key;
  return event.shiftKey && key.length > 1 ? `Shift+${key}` : key;
}

/** Whether the field in which a key was pressed had its list open; it may have closed it by the time the key arrives here. */
let hadListOpen = false;
function beforeKey({ target }: KeyboardEvent): void {
  hadListOpen = target instanceof HTMLElement && target.ariaExpanded === 'true';
}

/** Out of a field with Escape, back to the shortcuts. An open list is closed first. */
function leaveField(event: KeyboardEvent): void {
  if (event.key === 'Escape' && !hadListOpen) (event.target as HTMLElement).blur();
}

function onKey(event: KeyboardEvent): void {
  // A widget has used the key, or the browser is asked for something.
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector('[role=dialog][aria-modal=true]') !== null) return;
  if (isTyping(event.target)) {
    leaveField(event);
    return;
  }
  if (belongsToFocus(event)) return;
  const name = nameOf(event);
  const pair =
    firstKey !== null && event.timeStamp - firstKey.atMs < PAIR_MS ? `${firstKey.key} ${name}` : null;
  firstKey = null;
  const all = layers.flatMap(layer => layer.current).reverse();
  const match = all.find(shortcut => shortcut.keys === pair) ?? all.find(shortcut => shortcut.keys === name);
  if (match !== undefined) {
    event.preventDefault();
    match.run();
  } else if (all.some(shortcut => shortcut.keys.startsWith(`${name} `))) {
    firstKey = { key: name, atMs: event.timeStamp };
  }
}

export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const layer = useRef(shortcuts);
  layer.current = shortcuts;
  useEffect(() => {
    if (layers.length === 0) {
      addEventListener('keydown', beforeKey, { capture: true });
      addEventListener('keydown', onKey);
    }
    layers.push(layer);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      if (layers.length > 0) return;
      removeEventListener('keydown', beforeKey, { capture: true });
      removeEventListener('keydown', onKey);
    };
  }, []);
}

/** What can be pressed right now, for the overview. */
export const activeShortcuts = (): readonly Shortcut[] => layers.flatMap(layer => layer.current);
