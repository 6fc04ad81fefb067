import { suite } from 'uvu';
import { describeBackbone } from './backbone.conformance.js';
import { createMemoryBackbone } from './memory-backbone.js';

const test = suite('memory backbone');

describeBackbone(test, async () => createMemoryBackbone());

test.run();
