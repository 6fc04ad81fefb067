import { Modal, type ModalProps } from '@mantine/core';
import { useEffect, useState } from 'react';
import { isFocusLost } from './detail-focus';

/**
 * A dialog that is there only while it is open. What had the focus before has it again afterwards, as far as it is there: Mantine gives
 * it back only where a closed dialog stays.
 */
export function Dialog(props: Omit<ModalProps, 'opened' | 'returnFocus'>) {
  const [before] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      if (isFocusLost() && before instanceof HTMLElement) before.focus();
    },
    [before],
  );
  return <Modal {...props} opened returnFocus={false} />;
}
