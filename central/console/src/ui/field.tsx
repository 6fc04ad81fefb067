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
  readonly hasMore?: boolean;
  readonly more?: () => void;
  /** Something else was asked for than what is shown. */
  readonly stale?: boolean;
  readonly children?: ReactNode;
}

export function ListFoot({ shown, total, hasMore = false, more, stale = false, children }: ListFootProps) {
  return (
    <footer className="page-foot">
      <span role="status">{stale && 'Asking …'}</span>
      {!stale && total !== undefined && <span>{`${shown} of ${total}`}</span>}
      {hasMore && !stale && (
        <button type="button" className="plain framed" onClick={more}>
          Show more
        </button>
      )}
      <span className="grow" />
      {children}
    </footer>
  );
}

/** The head of the column of what can be done with a line. */
export function ActionsHead() {
  return (
    <th>
      <span className="hidden-text">Actions</span>
    </th>
  );
}

interface NotListedProps {
  /** Whether there was an answer. */
  readonly known: boolean;
  readonly error: { readonly message: string } | undefined;
  readonly count: number;
  /** In the place of lines where there are none. */
  readonly children?: ReactNode;
}

/** Why a list has no lines; nothing while it has some. One that is still on its way must not pass for one that is empty. */
export function NotListed({ known, error, count, children }: NotListedProps) {
  if (known) return count === 0 ? children : null;
  if (error !== undefined) return <Empty title="The list did not come">{error.message}</Empty>;
  return (
    <p className="empty asking" role="status">
      Asking …
    </p>
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
