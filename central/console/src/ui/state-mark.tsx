import type { ReactNode } from 'react';

/** A state is never told by colour alone: each tone has its own shape, and a word follows. */
export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'none';
export type Shape = 'disc' | 'ring' | 'triangle' | 'square' | 'diamond' | 'cross' | 'half';

const shapes: Record<Shape, ReactNode> = {
  disc: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  ring: <circle cx="6" cy="6" r="3.5" fill="none" stroke="currentColor" strokeWidth="1.8" />,
  half: (
    <>
      <circle cx="6" cy="6" r="3.6" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M6 2.400a3.600 3.600 0 0 1 0 7.200z" fill="currentColor" />
    </>
  ),
  triangle: <path d="M6 1.500 11 10.500H1z" fill="currentColor" />,
  square: <rect x="2" y="2" width="8" height="8" rx="1" fill="currentColor" />,
  diamond: <path d="M6 1 11 6 6 11 1 6z" fill="currentColor" />,
  cross: (
    <path
      d="M2.500 2.500l7 7M9.500 2.500l-7 7"
      stroke="currentColor"
      strokeWidth="2.2"
      strokeLinecap="round"
    />
  ),
};

export interface StateMarkProps {
  readonly tone: Tone;
  readonly shape: Shape;
  readonly word: string;
  /** Where there is no room, the word is for screen readers and the tooltip only. */
  readonly wordHidden?: boolean;
}

export function StateMark({ tone, shape, word, wordHidden = false }: StateMarkProps) {
  return (
    <span className={`state tone-${tone}`} title={wordHidden ? word : undefined}>
      <svg width="11" height="11" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
        {shapes[shape]}
      </svg>
      <span className={wordHidden ? 'hidden-text' : undefined}>{word}</span>
    </span>
  );
}
