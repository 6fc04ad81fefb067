import { TextInput } from '@mantine/core';
import { useState } from 'react';
import { dayAndClock, instantOf, written, zoneAt } from './time';

interface TimeFieldProps {
  readonly label: string;
  /** Where there is room for the field alone, the label is for screen readers. */
  readonly labelHidden?: boolean;
  readonly valueMs: number;
  readonly onTime: (ms: number) => void;
  /** What is wrong with a time that can be read; null: nothing. */
  readonly refuse?: (ms: number) => string | null;
  readonly width?: number;
  readonly testId?: string;
}

/**
 * A moment, as everything else here shows it: 24 hours, in the zone of this computer. What is not edited keeps its milliseconds. In the
 * hour that a change of the clock repeats, the zone says which of two it is, and is edited with it.
 */
export function TimeField({
  label,
  labelHidden = false,
  valueMs,
  onTime,
  refuse = () => null,
  width,
  testId,
}: TimeFieldProps) {
  /** Null: nobody is editing. */
  const [text, setText] = useState<string | null>(null);
  const editedMs = text === null ? null : instantOf(text);
  const fault =
    text === null
      ? null
      : editedMs === null
        ? `No such time. Expected as ${written(valueMs)}`
        : refuse(editedMs);
  const named = `${label} (${zoneAt(valueMs)})`;
  return (
    <TextInput
      {...(labelHidden ? { 'aria-label': named } : { label: named })}
      title={fault ?? `${dayAndClock(valueMs)} ${zoneAt(valueMs)}`}
      className={labelHidden ? undefined : 'grow'}
      w={width}
      spellCheck={false}
      autoComplete="off"
      value={text ?? written(valueMs)}
      error={labelHidden ? fault !== null : fault}
      onChange={event => {
        const edited = event.currentTarget.value;
        setText(edited);
        const ms = instantOf(edited);
        if (ms !== null && refuse(ms) === null) onTime(ms);
      }}
      onBlur={() => setText(null)}
      data-testid={testId}
    />
  );
}
