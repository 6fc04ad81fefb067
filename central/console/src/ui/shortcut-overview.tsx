import { Modal } from '@mantine/core';
import { activeShortcuts, type Shortcut } from './shortcuts';

const shown: Record<string, string> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  'Shift+ArrowLeft': '⇧ ←',
  'Shift+ArrowRight': '⇧ →',
};

function Keys({ keys }: { readonly keys: string }) {
  return (
    <span className="row">
      {keys.split(' ').map(key => (
        <kbd key={key}>{shown[key] ?? key}</kbd>
      ))}
    </span>
  );
}

const byGroup = (all: readonly Shortcut[]): [string, Shortcut[]][] => [
  ...Map.groupBy(all, shortcut => shortcut.group).entries(),
];

export function ShortcutOverview({
  opened,
  onClose,
}: {
  readonly opened: boolean;
  readonly onClose: () => void;
}) {
  return (
    <Modal opened={opened} onClose={onClose} title="Keyboard" size="lg" data-testid="shortcut-overview">
      <div className="shortcut-groups">
        {(opened ? byGroup(activeShortcuts()) : []).map(([group, shortcuts]) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {shortcuts.map(shortcut => (
                <div key={shortcut.keys}>
                  <dt>{shortcut.label}</dt>
                  <dd>
                    <Keys keys={shortcut.keys} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className="dim">
        Keys show what works on the present page. In the tree of sites: arrows to move, Enter to open.
      </p>
    </Modal>
  );
}
