import { benchAppend, benchIngest } from '@holdfast/sites';
import { EXIT_WRONG_USE } from './process-lifetime.js';

const benches: Readonly<Record<string, () => Promise<object>>> = { append: benchAppend, ingest: benchIngest };
export const benchNames = Object.keys(benches);

/** `holdfast bench NAME`: the last line printed is one JSON object. */
export async function benchCommand(name: string, options: { readonly json: boolean }): Promise<number> {
  const bench = benches[name];
  if (!bench) {
    process.stderr.write(`holdfast: no benchmark ${name}; there are ${benchNames.join(', ')}\n`);
    return EXIT_WRONG_USE;
  }
  const result = await bench();
  if (!options.json) {
    for (const [key, value] of Object.entries(result)) process.stdout.write(`${key.padEnd(28)} ${value}\n`);
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return 0;
}
