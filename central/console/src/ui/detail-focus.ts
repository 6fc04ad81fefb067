import { type RefObject, useEffect, useRef } from 'react';

/** What had the focus is gone, or nothing had it. */
export const isFocusLost = (): boolean =>
  document.activeElement === null || document.activeElement === document.body;

/** A dialog gives it back itself. */
const isLost = (): boolean =>
  isFocusLost() && document.querySelector('[role=dialog][aria-modal=true]') === null;

/**
 * The focus of who has no mouse, for the pane beside a list: what is opened from the list has it, and keeps it when the button that was
 * pressed goes away with `change`. Who writes elsewhere keeps his.
 */
export function useDetailFocus(id: string, change: string): RefObject<HTMLElement | null> {
  const pane = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is opened, not what the effect reads, is its cause.
  useEffect(() => {
    if (isLost() || document.activeElement?.closest('table.list') != null) pane.current?.focus();
  }, [id]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above.
  useEffect(() => {
    if (isLost()) pane.current?.focus();
  }, [change]);
  return pane;
}

/** When the pane closes, the line that it was of has the focus again. The line is marked with `data-line`. */
export function useLineFocus(openId: string | null): void {
  const lastId = useRef(openId);
  useEffect(() => {
    const closedId = openId === null ? lastId.current : null;
    lastId.current = openId;
    if (closedId === null || !isLost()) return;
    document.querySelector<HTMLElement>(`[data-line="${CSS.escape(closedId)}"] .open`)?.focus();
  }, [openId]);
}
