import { send } from '../session/command';
import { Icon } from '../ui/icon';
import type { Site } from './site-directory';

const CUT = 'mutation Cut($site: ID!) { cutLink(siteId: $site) { id } }';
const RESTORE = 'mutation Restore($site: ID!) { restoreLink(siteId: $site) { id } }';

interface LinkControlProps {
  readonly site: Site;
  /** Of a line in the tree, which is one stop for the Tab key as a whole. */
  readonly tabIndex?: number;
}

/** Cuts or restores the emulated link. Only the demonstration has one, and says so. */
export function LinkControl({ site, tabIndex }: LinkControlProps) {
  if (site.link === null || site.link.cut === null) return null;
  const { cut } = site.link;
  const label = cut ? `Restore the link of ${site.name}` : `Cut the link of ${site.name}`;
  const run = () =>
    send({
      document: cut ? RESTORE : CUT,
      variables: { site: site.id },
      title: label,
      topics: ['sites', 'timeline'],
    });
  return (
    <button
      type="button"
      tabIndex={tabIndex}
      className={`demo-link ${cut ? 'restore' : ''}`}
      title={`${label} (emulated link of the demonstration)`}
      aria-label={label}
      data-testid={`${cut ? 'restore' : 'cut'}-link-${site.id}`}
      onClick={event => {
        event.stopPropagation();
        void run();
      }}
    >
      <span className="demo-word">demo</span>
      <Icon name={cut ? 'link' : 'cut'} size={12} />
      {cut ? 'Restore' : 'Cut'}
    </button>
  );
}
