import type { ReactNode } from 'react';

/** A fact in a list of facts. */
export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

interface ListFootProps {
  readonly shown: number;
  readonly total: number | undefined;
  readonly hasMore: boolean;
  readonly onMore: () => void;
  readonly children?: ReactNode;
}

export function ListFoot({ shown, total, hasMore, onMore, children }: ListFootProps) {
  return (
    <footer className="page-foot">
      <span>{total === undefined ? '' : `${shown} of ${total}`}</span>
      {hasMore && (
        <button type="button" className="plain framed" onClick={onMore}>
          Show more
        </button>
      )}
      <span className="grow" />
      {children}
    </footer>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <b>{title}</b>
      {children}
    </div>
  );
}
