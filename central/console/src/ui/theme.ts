import { createTheme, type MantineColorsTuple } from '@mantine/core';

const teal: MantineColorsTuple = [
  '#e3fbf8',
  '#c3f2ec',
  '#9ce6dd',
  '#79dbd0',
  '#5fd0c5',
  '#3fb5aa',
  '#2a958b',
  '#1f766e',
  '#185b55',
  '#12423e',
];
const dark: MantineColorsTuple = [
  '#e3e8ef',
  '#c3ccd8',
  '#9ba8b8',
  '#6d7a8c',
  '#3a4657',
  '#232b37',
  '#1b212b',
  '#10141b',
  '#0c1016',
  '#0a0d12',
];

const sizes = { size: 'xs' } as const;
const withLabel = { styles: { label: { fontSize: 12, fontWeight: 500, marginBottom: 3 } } };

export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: 7,
  colors: { teal, dark },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  defaultRadius: 5,
  focusRing: 'auto',
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: sizes },
    TextInput: { defaultProps: { ...sizes, ...withLabel } },
    PasswordInput: { defaultProps: { ...sizes, ...withLabel } },
    NumberInput: { defaultProps: { ...sizes, ...withLabel } },
    Textarea: { defaultProps: { ...sizes, ...withLabel } },
    Select: { defaultProps: { ...sizes, ...withLabel, allowDeselect: false } },
    MultiSelect: { defaultProps: { ...sizes, ...withLabel } },
    SegmentedControl: { defaultProps: sizes },
    Switch: { defaultProps: sizes },
    Checkbox: { defaultProps: sizes },
    Tooltip: {
      defaultProps: { openDelay: 350, color: 'dark.5', c: 'dark.0', fz: 12, multiline: true, maw: 340 },
    },
    Modal: {
      defaultProps: {
        centered: true,
        transitionProps: { duration: 0 },
        overlayProps: { backgroundOpacity: 0.6 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
      styles: { title: { fontWeight: 600, fontSize: 15 } },
    },
  },
});
