/** How long somebody takes to cross the picture. */
const CROSSING_MS = 16_000;

/** What a simulated camera says of its scene, as ONVIF metadata: somebody crosses the picture, over and over. */
export function simulatedScene(atMs: number): string {
  // ONVIF measures from -1 (left, bottom) to 1.
  const x = ((Math.round(atMs) % CROSSING_MS) / CROSSING_MS) * 2 - 1;
  const left = Math.max(-1, x - 0.1).toFixed(3);
  const right = Math.min(1, x + 0.1).toFixed(3);
  return [
    '<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics>',
    `<tt:Frame UtcTime="${new Date(Math.round(atMs)).toISOString()}"><tt:Object ObjectId="1"><tt:Appearance><tt:Shape>`,
    `<tt:BoundingBox left="${left}" top="0.2" right="${right}" bottom="-0.8"/>`,
    `<tt:CenterOfGravity x="${x.toFixed(3)}" y="-0.3"/>`,
    '</tt:Shape></tt:Appearance></tt:Object></tt:Frame></tt:VideoAnalytics></tt:MetadataStream>',
  ].join('');
}
