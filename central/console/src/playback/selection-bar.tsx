import { Icon } from '../ui/icon';
import { duration, shortTime } from '../ui/time';

export interface Selection {
  readonly fromMs: number;
  readonly toMs: number;
}

interface SelectionBarProps {
  readonly selection: Selection | null;
  readonly markMs: number | null;
  readonly onRetrieve: () => void;
  readonly onLock: () => void;
  readonly onClear: () => void;
}

/** What can be done with a marked span. Its place stays when nothing is marked, so that nothing moves. */
export function SelectionBar({ selection, markMs, onRetrieve, onLock, onClear }: SelectionBarProps) {
  if (selection === null) {
    const hint = markMs === null ? 'm marks a span' : `From ${shortTime(markMs)}: m marks the end`;
    return <span className="dim nowrap selection-hint">{hint}</span>;
  }
  const words = `${shortTime(selection.fromMs)} to ${shortTime(selection.toMs)}, ${duration(selection.toMs - selection.fromMs)}`;
  return (
    <span className="selection-bar" data-testid="selection">
      <span className="clip" title={words}>
        {duration(selection.toMs - selection.fromMs)} marked
      </span>
      <button
        type="button"
        className="plain framed"
        onClick={onRetrieve}
        title="Request retrieval (r)"
        data-testid="selection-retrieve"
      >
        <Icon name="download" />
        Retrieve
      </button>
      <button
        type="button"
        className="plain framed"
        onClick={onLock}
        title="Create an evidence lock (e)"
        data-testid="selection-lock"
      >
        <Icon name="lock" />
        Lock
      </button>
      <button
        type="button"
        className="plain square"
        aria-label="Clear the marked span"
        title="Clear (Escape)"
        onClick={onClear}
      >
        <Icon name="close" size={13} />
      </button>
    </span>
  );
}
