import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { selectStreams } from '../media/select-streams.js';
import {
  parseDatagramTransport,
  parseInterleavedChannels,
  parseSessionHeader,
  resolveControlUrl,
} from './rtsp-message.js';
import { parseSdp } from './sdp.js';

const test = suite('SDP and control URLs');

const axis = `v=0
o=- 1 1 IN IP4 192.168.0.90
s=Session streamed with GStreamer
t=0 0
a=control:rtsp://192.168.0.90/axis-media/media.amp
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=640028;sprop-parameter-sets=Z2QAKKzZQHgCJ+XARAAAAwAEAAADAMg8YMZY,aOvjyyLA
a=control:rtsp://192.168.0.90/axis-media/media.amp/stream=0
m=audio 0 RTP/AVP 97
a=rtpmap:97 MPEG4-GENERIC/48000/1
a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;config=1188;sizeLength=13;indexLength=3;indexDeltaLength=3
a=control:rtsp://192.168.0.90/axis-media/media.amp/stream=1
`;

test('reads video and audio with what a decoder needs', () => {
  const selected = selectStreams(parseSdp(axis.replaceAll('\n', '\r\n')));
  assert.ok(selected.kind === 'selected');
  assert.is(selected.video.payloadType, 96);
  assert.equal(
    selected.video.parameterSets.map(unit => unit[0]),
    [0x67, 0x68],
  );
  assert.is(selected.video.parameterSets[0]!.length, 27);
  assert.is(selected.video.control, 'rtsp://192.168.0.90/axis-media/media.amp/stream=0');
  assert.ok(selected.audio?.codec === 'AAC');
  assert.equal([...selected.audio.audioSpecificConfig], [0x11, 0x88]);
  assert.is(selected.audio.clockRate, 48_000);
  assert.is(selected.audio.packing.ticksPerFrame, 1024);
});

test('records video without its parameter sets, and without audio that it cannot record, saying so', () => {
  const selected = selectStreams(
    parseSdp('m=video 0 RTP/AVP 96\na=rtpmap:96 h264/90000\nm=audio 0 RTP/AVP 9\na=control:t2\n'),
  );
  assert.ok(selected.kind === 'selected');
  assert.equal(selected.video.parameterSets, []);
  assert.is(selected.audio, null);
  assert.match(selected.audioRefused ?? '', /payload type 9/);
});

test('refuses by name what has no video, or video in a codec or packing that we do not know', () => {
  const silent = selectStreams(parseSdp('m=audio 0 RTP/AVP 0\n'));
  assert.ok(silent.kind === 'refused' && silent.code === 'NO_VIDEO');
  const other = selectStreams(parseSdp('m=video 0 RTP/AVP 96\na=rtpmap:96 MP4V-ES/90000\n'));
  assert.ok(other.kind === 'refused' && other.code === 'UNSUPPORTED_VIDEO');
  assert.match(other.detail, /MP4V-ES/);
  const ordered = 'm=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 sprop-max-don-diff=2\n';
  assert.is(selectStreams(parseSdp(ordered)).kind, 'refused');
  const interleaved = selectStreams(
    parseSdp('m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=2\n'),
  );
  assert.is(interleaved.kind, 'refused');
  assert.is(selectStreams(parseSdp('')).kind, 'refused');
});

test('knows H.265 with its parameter sets, JPEG and G.711 by their static types, and Opus', () => {
  const hevc = selectStreams(
    parseSdp(
      'm=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\na=fmtp:96 sprop-vps=QAE=; sprop-sps=QgE=; sprop-pps=RAE=\n' +
        'm=audio 0 RTP/AVP 97\na=rtpmap:97 opus/48000/2\n',
    ),
  );
  assert.ok(hevc.kind === 'selected');
  assert.equal(
    hevc.video.parameterSets.map(unit => unit[0]! >> 1),
    [32, 33, 34],
  );
  assert.equal([hevc.video.codec, hevc.audio?.codec, hevc.audio?.channels], ['H265', 'OPUS', 2]);
  const jpeg = selectStreams(
    parseSdp('m=video 0 RTP/AVP 26\na=x-dimensions: 2560,1440\nm=audio 0 RTP/AVP 8\n'),
  );
  assert.ok(jpeg.kind === 'selected');
  assert.equal([jpeg.video.codec, jpeg.audio?.codec, jpeg.audio?.clockRate], ['MJPEG', 'PCMA', 8000]);
  assert.equal(jpeg.video.size, { width: 2560, height: 1440 });
});

test('finds the URL of a track, absolute, relative or none', () => {
  const base = 'rtsp://camera:8554/live?channel=1';
  assert.is(resolveControlUrl(base, 'rtsp://other/track1'), 'rtsp://other/track1');
  assert.is(resolveControlUrl(base, 'trackID=1'), `${base}/trackID=1`);
  assert.is(resolveControlUrl('rtsp://camera/live/', 'trackID=1'), 'rtsp://camera/live/trackID=1');
  assert.is(resolveControlUrl(base, '/other/track'), 'rtsp://camera:8554/other/track');
  assert.is(resolveControlUrl(base, '*'), base);
  assert.is(resolveControlUrl(base, null), base);
});

test('reads session and transport headers', () => {
  assert.equal(parseSessionHeader('12345678;timeout=30'), { id: '12345678', timeoutSeconds: 30 });
  assert.equal(parseSessionHeader('abc'), { id: 'abc', timeoutSeconds: 60 });
  assert.equal(parseSessionHeader('abc; timeout=0'), { id: 'abc', timeoutSeconds: 60 });
  assert.equal(parseInterleavedChannels('RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=1'), { rtp: 4, rtcp: 5 });
  assert.equal(parseInterleavedChannels('RTP/AVP/TCP;interleaved=2'), { rtp: 2, rtcp: 3 });
  assert.is(parseInterleavedChannels('RTP/AVP;unicast;client_port=1-2'), null);
  assert.is(parseInterleavedChannels('RTP/AVP/TCP;interleaved=255'), null);
  const agreed = 'RTP/AVP;unicast;source=192.0.2.7;client_port=5000-5001;server_port=6000-6001;ssrc=1';
  assert.equal(parseDatagramTransport(agreed, 5000), {
    serverPorts: { rtp: 6000, rtcp: 6001 },
    source: '192.0.2.7',
  });
  assert.is(parseDatagramTransport(agreed, 4000), null);
  assert.equal(parseDatagramTransport('RTP/AVP;client_port=2-3', 2), { serverPorts: null, source: null });
  assert.is(parseDatagramTransport('RTP/AVP/TCP;interleaved=0-1', 2), null);
});

test.run();
