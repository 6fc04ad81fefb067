// Writes schema/graphql/holdfast.graphql from the code.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createApiSchema, printSdl } from './api-schema.js';

// Nothing is resolved: only the shape is printed.
const schema = createApiSchema({ ports: {} } as never);
await writeFile(
  path.resolve(import.meta.dirname, '../../../schema/graphql/holdfast.graphql'),
  printSdl(schema),
);
