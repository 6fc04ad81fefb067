export interface SdpMedia {
  /** `video`, `audio`, `application` … */
  readonly kind: string;
  readonly payloadType: number;
  /** Upper case, from `a=rtpmap`, e.g. `H264`. `null` for a static payload type without one. */
  readonly encoding: string | null;
  readonly clockRate: number;
  readonly channels: number;
  /** Names in lower case. */
  readonly formatParameters: ReadonlyMap<string, string>;
  readonly control: string | null;
  /** `a=sendonly`: what we may send to the camera (ONVIF back channel), and it never sends. */
  readonly isBackChannel: boolean;
  /** Of the picture, from `a=x-dimensions` or `a=framesize` (RFC 6064 §7.1). */
  readonly dimensions: { readonly width: number; readonly height: number } | null;
}

export interface SessionDescription {
  readonly control: string | null;
  readonly media: readonly SdpMedia[];
}

/** A camera has a handful of streams; more is an attack or a mistake. */
const MEDIA_COUNT_MAX = 32;

interface MutableMedia {
  kind: string;
  payloadType: number;
  attributes: string[];
}

/** RFC 8866, as far as cameras use it. Of each medium only the first payload type is looked at: it is the preferred one. */
export function parseSdp(text: string): SessionDescription {
  const sessionAttributes: string[] = [];
  const media: MutableMedia[] = [];
  let attributes = sessionAttributes;
  for (const line of text.split(/\r?\n|\r/)) {
    if (line.startsWith('m=')) {
      if (media.length === MEDIA_COUNT_MAX) break;
      const [kind = '', , , payloadType = ''] = line.slice(2).trim().split(/\s+/);
      attributes = [];
      media.push({ kind: kind.toLowerCase(), payloadType: Number.parseInt(payloadType, 10), attributes });
    } else if (line.startsWith('a=')) attributes.push(line.slice(2).trim());
  }
  return { control: attributeOf(sessionAttributes, 'control'), media: media.map(finishMedia) };
}

function attributeOf(attributes: readonly string[], name: string): string | null {
  const found = attributes.find(attribute => attribute.toLowerCase().startsWith(`${name}:`));
  return found === undefined ? null : found.slice(name.length + 1).trim();
}

function finishMedia(media: MutableMedia): SdpMedia {
  const [encoding, clockRate, channels] = ofPayloadType(media, 'rtpmap')?.split('/') ?? [];
  return {
    kind: media.kind,
    payloadType: media.payloadType,
    encoding: encoding?.toUpperCase() ?? null,
    clockRate: positiveInteger(clockRate) ?? (media.kind === 'video' ? 90_000 : 8_000),
    channels: positiveInteger(channels) ?? 1,
    formatParameters: parseFormatParameters(ofPayloadType(media, 'fmtp') ?? ''),
    control: attributeOf(media.attributes, 'control'),
    isBackChannel: media.attributes.some(attribute => attribute.toLowerCase() === 'sendonly'),
    dimensions: readDimensions(media),
  };
}

function readDimensions(media: MutableMedia): SdpMedia['dimensions'] {
  const text = attributeOf(media.attributes, 'x-dimensions') ?? ofPayloadType(media, 'framesize');
  const found = /^(\d{1,5})\s*[,-]\s*(\d{1,5})$/.exec(text ?? '');
  return found && { width: Number(found[1]), height: Number(found[2]) };
}

function positiveInteger(text: string | undefined): number | null {
  const value = Number.parseInt(text ?? '', 10);
  return Number.isInteger(value) && value > 0 ? value : null;
}

function ofPayloadType(media: MutableMedia, name: string): string | null {
  for (const attribute of media.attributes) {
    const found = /^([a-z]+):(\d+)\s+(.*)$/i.exec(attribute);
    if (found && found[1]!.toLowerCase() === name && Number(found[2]) === media.payloadType)
      return found[3]!.trim();
  }
  return null;
}

function parseFormatParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const part of text.split(';')) {
    const equals = part.indexOf('=');
    if (equals > 0) parameters.set(part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim());
  }
  return parameters;
}
