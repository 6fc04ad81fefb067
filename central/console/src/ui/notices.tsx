import { Icon } from './icon';
import { dismiss, useNotices } from './notice.store';

export function Notices() {
  const notices = useNotices();
  return (
    <div className="notices" role="status" aria-live="polite" data-testid="notices">
      {notices.map(notice => (
        <div key={notice.id} className={`notice ${notice.tone}`}>
          <div className="grow">
            <b>{notice.title}</b>
            <p>{notice.text}</p>
            {notice.href !== undefined && <a href={notice.href}>Open</a>}
          </div>
          <button
            type="button"
            className="plain square"
            aria-label="Dismiss"
            onClick={() => dismiss(notice.id)}
          >
            <Icon name="close" size={13} />
          </button>
        </div>
      ))}
    </div>
  );
}
