import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configuredOf, streamPlaceOf } from './onvif-address.js';
import { sameHost } from './onvif-device.js';

const test = suite('addresses that an ONVIF camera names');
const { signal } = new AbortController();
const place = (named: string, configured: string) => streamPlaceOf(named, configuredOf(configured), signal);

test('what is configured behind the address of a device service is not sent to it', () => {
  assert.equal(configuredOf('http://10.0.0.1/onvif?user=1&profile=sub&streamHost=10.0.0.2'), {
    serviceAddress: 'http://10.0.0.1/onvif?user=1',
    profile: 'sub',
    streamHost: '10.0.0.2',
  });
  assert.equal(configuredOf('http://10.0.0.1/onvif'), {
    serviceAddress: 'http://10.0.0.1/onvif',
    profile: null,
    streamHost: null,
  });
});

test('a stream on the configured host gets user name and password, whatever the host is called', async () => {
  const same = { address: 'rtsp://127.0.0.1:8554/cam', withheldBecause: null };
  assert.equal(await place('rtsp://127.0.0.1:8554/cam', 'http://127.0.0.1/onvif'), same);
  // It is spoken to by the name that was configured.
  assert.equal(await place('rtsp://localhost:8554/cam', 'http://127.0.0.1/onvif'), same);
  const byName = await place('rtsp://127.0.0.1/cam?x=1', 'http://localhost/onvif');
  assert.equal(byName, { address: 'rtsp://localhost/cam?x=1', withheldBecause: null });
});

test('a stream on another host gets none, unless it is configured', async () => {
  const { address, withheldBecause } = await place('rtsp://127.0.0.9/cam', 'http://127.0.0.1/onvif');
  assert.is(address, 'rtsp://127.0.0.9/cam');
  assert.match(withheldBecause!, 'names its stream at 127.0.0.9');
  assert.match(withheldBecause!, 'configured for 127.0.0.1');
  const configured = 'http://127.0.0.1/onvif?streamHost=127.0.0.9';
  assert.equal(await place('rtsp://10.99.0.1:554/cam', configured), {
    address: 'rtsp://127.0.0.9:554/cam',
    withheldBecause: null,
  });
});

test('a camera that is spoken to in secret is not spoken to in the clear because it says so', () => {
  const secret = 'https://camera.example:8443/onvif/device_service';
  assert.is(sameHost('http://10.0.0.1:80/onvif/media', secret), 'https://camera.example:8443/onvif/media');
  assert.is(sameHost('https://10.0.0.1/onvif/media', secret), 'https://camera.example:8443/onvif/media');
  const clear = 'http://camera.example:8080/onvif/device_service';
  assert.is(sameHost('http://10.0.0.1/onvif/media', clear), 'http://camera.example:8080/onvif/media');
});

test.run();
