import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('contrast of the colours that have names');

const css = readFileSync(new URL('./ui.css', import.meta.url), 'utf8');
const colours = new Map(
  [...css.matchAll(/(--[a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name!, value!]),
);

function luminance(name: string): number {
  const value = colours.get(name);
  assert.ok(value, `ui.css has a colour ${name}`);
  const [red, green, blue] = [1, 3, 5].map(at => {
    const part = Number.parseInt(value.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** WCAG 2, 1.4.3. */
function contrast(one: string, other: string): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

const fields = ['--bg', '--panel', '--raised', '--hover'];

test('text can be read wherever it stands', () => {
  for (const text of [
    ...['--text', '--dim', '--accent', '--good', '--warn', '--bad', '--info'],
    '--mantine-color-placeholder',
  ]) {
    for (const field of fields) {
      const ratio = contrast(text, field);
      assert.ok(ratio >= 4.5, `${text} on ${field}: ${ratio.toFixed(2)}, and 4.5 is needed`);
    }
  }
});

test('the bounds of what can be pressed or filled in, the focus, and what a timeline says can be seen', () => {
  for (const part of ['--control-line', '--accent', '--held', '--remote']) {
    for (const field of ['--bg', '--panel']) {
      const ratio = contrast(part, field);
      assert.ok(ratio >= 3, `${part} on ${field}: ${ratio.toFixed(2)}, and 3 is needed`);
    }
  }
});

test.run();
