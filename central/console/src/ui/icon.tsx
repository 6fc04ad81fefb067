const paths = {
  camera: 'M3 7h11.500v10H3zM14.500 10.800l6-3.300v9l-6-3.300',
  microphone: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM6 11a6 6 0 0 0 12 0M12 17v4',
  other: 'M12 4l7 4v8l-7 4-7-4V8z',
  site: 'M4 20V9l8-5 8 5v11zM10 20v-6h4v6',
  central: 'M12 3l8 3v5.500c0 5-3.400 8-8 9.500-4.600-1.500-8-4.500-8-9.500V6zM9 9v6M15 9v6M9 12h6',
  chevron: 'M9 6l6 6-6 6',
  picture: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9h.01',
  close: 'M6 6l12 12M18 6L6 18',
  play: 'M7 4.500v15l12-7.500z',
  playBack: 'M17 4.500v15L5 12z',
  pause: 'M8 5v14M16 5v14',
  stepBack: 'M17 5v14l-9-7zM6 5v14',
  stepForward: 'M7 5v14l9-7zM18 5v14',
  volume: 'M4 9.500v5h3.500L12 19V5L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11',
  muted: 'M4 9.500v5h3.500L12 19V5L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5',
  bell: 'M6 16V11a6 6 0 0 1 12 0v5l1.500 2h-15zM10 20.500h4',
  lock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3',
  download: 'M12 4v11M7.500 11L12 15.500 16.500 11M5 20h14',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  cut: 'M6 6l12 12M9 15l-3 3M14 9l4-4M5 9l3 .5M15.500 16l.5 3',
  keyboard: 'M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M17.500 14h.01M7 14h7',
  search: 'M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L20 20',
  plus: 'M12 5v14M5 12h14',
  out: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  user: 'M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.500 20c1-4 4-5.500 7.500-5.500s6.500 1.500 7.500 5.500',
  expand: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.500l3 2',
  edit: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  move: 'M4 8h13M13 4l4 4-4 4M20 16H7M11 12l-4 4 4 4',
  refresh: 'M19 8a8 8 0 1 0 1 6M20 4v4.500h-4.500',
  mark: 'M7 4v16M17 4v16M7 8h10v8H7z',
  now: 'M5 5v14l9-7zM18 5v14',
  zoomIn:
    'M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L20 20M7.500 10.500h6M10.500 7.500v6',
  zoomOut: 'M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L20 20M7.500 10.500h6',
  control:
    'M12 3l3 3.500H9zM12 21l3-3.500H9zM3 12l3.500-3v6zM21 12l-3.500-3v6zM12 10.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600z',
  sidebar: 'M4 5h16v14H4zM9.500 5v14',
} as const;

export type IconName = keyof typeof paths;

/** Decorative: the meaning always stands beside it in words or in the button's label. */
export function Icon({ name, size = 15 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}
