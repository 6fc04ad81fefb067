import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConfigurationError, parseConfiguration } from './configuration-file.js';
import { SiteConfiguration } from './site-configuration.js';

const test = suite('configuration file');

const valid = `role: site
site:
  id: 018f0000-0000-7000-8000-000000000001
  name: Bus 12
data: ./data
`;

function faultsOf(text: string) {
  try {
    parseConfiguration('bus.yaml', text, SiteConfiguration);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  return [];
}

test('a short configuration is complete by its defaults', () => {
  const configuration = parseConfiguration('bus.yaml', valid, SiteConfiguration);
  assert.is(configuration.site.name, 'Bus 12');
  assert.equal(configuration.operations, { host: '127.0.0.1', port: 0 });
});

test('a wrong value is named with its line and what was expected', () => {
  const [fault] = faultsOf(`${valid}operations:\n  port: eighty\n`);
  assert.equal([fault!.line, fault!.column, fault!.path], [7, 9, 'operations.port']);
  assert.match(fault!.message, 'expected a port number');
});

test('an unknown setting is a fault at its own line', () => {
  const [fault] = faultsOf(`${valid}recordingServer: []\n`);
  assert.is(fault!.line, 6);
  assert.match(fault!.message, 'recordingServer');
});

test('a missing setting is reported where it should stand', () => {
  const faults = faultsOf('role: site\nsite:\n  name: Bus 12\ndata: x\n');
  assert.equal(
    faults.map(fault => [fault.line, fault.path]),
    [[3, 'site.id']],
  );
});

test('what is not YAML is reported by its line', () => {
  const [fault] = faultsOf('role: site\nsite: [\n');
  assert.ok(fault!.line >= 2);
});

test.run();
