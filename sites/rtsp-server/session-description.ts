import type { ServedPresentation, ServedTrack } from './media-provider.js';

/** RTP payload type of a track: dynamic types from 96 on (RFC 3551 §6). */
export const payloadTypeOf = (trackIndex: number): number => 96 + trackIndex;

export const controlOf = (trackIndex: number): string => `trackID=${trackIndex}`;

/** SDP (RFC 4566) of a live presentation, with the media formats of RFC 6184 §8.1 and RFC 3640 §4.1. */
export function describeSession(
  presentation: ServedPresentation,
  options: { readonly sessionNumber: number; readonly address: string },
): string {
  const family = options.address.includes(':') ? 'IP6' : 'IP4';
  const lines = [
    'v=0',
    `o=- ${options.sessionNumber} 1 IN ${family} ${options.address}`,
    `s=${presentation.name.replace(/[\r\n]/g, ' ') || ' '}`,
    `c=IN ${family} ${family === 'IP6' ? '::' : '0.0.0.0'}`,
    't=0 0',
    'a=tool:holdfast',
    'a=type:broadcast',
    'a=control:*',
    'a=range:npt=now-',
    ...presentation.tracks.flatMap(describeTrack),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

function describeTrack(track: ServedTrack, index: number): string[] {
  const type = payloadTypeOf(index);
  const control = `a=control:${controlOf(index)}`;
  if (track.kind === 'VIDEO') {
    const profileLevelId = Buffer.from(track.sps.subarray(1, 4)).toString('hex').toUpperCase();
    const parameterSets = [track.sps, track.pps].map(set => Buffer.from(set).toString('base64')).join(',');
    return [
      `m=video 0 RTP/AVP ${type}`,
      `a=rtpmap:${type} H264/${track.clockRate}`,
      `a=fmtp:${type} packetization-mode=1;profile-level-id=${profileLevelId};sprop-parameter-sets=${parameterSets}`,
      `a=framerate:${track.framesPerSecond}`,
      control,
    ];
  }
  if (track.kind === 'METADATA') {
    const name = `a=rtpmap:${type} vnd.onvif.metadata/${track.clockRate}`;
    return [`m=application 0 RTP/AVP ${type}`, name, control];
  }
  const config = Buffer.from(track.audioSpecificConfig).toString('hex').toUpperCase();
  return [
    `m=audio 0 RTP/AVP ${type}`,
    `a=rtpmap:${type} mpeg4-generic/${track.clockRate}/${track.channels}`,
    `a=fmtp:${type} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=${config}`,
    control,
  ];
}
