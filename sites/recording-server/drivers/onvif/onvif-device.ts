import { CameraSessionError } from '../camera-session-error.js';
import type { PtzVelocity } from '../driver.js';
import { PullPoint } from './pull-point.js';
import {
  callSoap,
  child,
  children,
  escapeXml,
  namespaceOf,
  type OnvifService,
  type SoapCall,
  type SoapOptions,
  textOf,
  type XmlElement,
  type XmlNode,
} from './soap.js';

export interface OnvifProfile {
  readonly token: string;
  readonly name: string;
  /** As the camera calls it: `H264`, `H265`, `JPEG`. */
  readonly encoding: string;
  readonly width: number;
  readonly height: number;
  /** What its profile has beside pictures. */
  readonly ptz: boolean;
  readonly metadata: boolean;
  readonly speaker: boolean;
  /** As the camera calls it: `AAC`, `G711`; empty: no sound. */
  readonly audio: string;
}

export interface DeviceInformation {
  readonly manufacturer: string;
  readonly model: string;
  readonly firmwareVersion: string;
  readonly serialNumber: string;
}

export type OnvifDeviceOptions = Omit<SoapOptions, 'now'> & {
  /** Of its device service: `http://host/onvif/device_service`. */
  readonly address: string;
  readonly now: () => number;
};

/** What a camera of ONVIF Profile S or T is asked. Every call throws `CameraSessionError`, or the signal's reason. */
export class OnvifDevice {
  readonly #options: OnvifDeviceOptions;
  /** The camera's clock minus ours, in milliseconds. */
  readonly #clockOffsetMs: number;
  readonly #addresses: ReadonlyMap<string, string>;

  private constructor(
    options: OnvifDeviceOptions,
    known: { readonly clockOffsetMs: number; readonly addresses: ReadonlyMap<string, string> },
  ) {
    this.#options = options;
    this.#clockOffsetMs = known.clockOffsetMs;
    this.#addresses = known.addresses;
  }

  /** Asks for its clock, which signatures need, and for its services. */
  static async open(options: OnvifDeviceOptions, signal: AbortSignal): Promise<OnvifDevice> {
    const { address, now } = options;
    const clock = await callSoap(
      { url: address, body: '<tds:GetSystemDateAndTime/>', unsigned: true },
      { ...options, now },
      signal,
    ).catch((fault: unknown) => {
      // Some sign even this; then the clocks have to agree.
      if (fault instanceof CameraSessionError && fault.lossCause === 'UNAUTHORIZED') return {};
      throw fault;
    });
    const cameraMs = utcOf(child(clock, 'GetSystemDateAndTimeResponse', 'SystemDateAndTime', 'UTCDateTime'));
    const clockOffsetMs = cameraMs === null ? 0 : cameraMs - now();
    const services = await callSoap(
      {
        url: address,
        body: '<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>',
      },
      { ...options, now: () => now() + clockOffsetMs },
      signal,
    );
    const found = children(child(services, 'GetServicesResponse'), 'Service').map(
      service => [textOf(service, 'Namespace'), sameHost(textOf(service, 'XAddr'), address)] as const,
    );
    return new OnvifDevice(options, { clockOffsetMs, addresses: new Map(found) });
  }

  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  has(service: OnvifService): boolean {
    return this.#addresses.has(namespaceOf(service));
  }

  async information(signal: AbortSignal): Promise<DeviceInformation> {
    const answer = await this.#call('tds', '<tds:GetDeviceInformation/>', signal);
    const information = child(answer, 'GetDeviceInformationResponse');
    return {
      manufacturer: textOf(information, 'Manufacturer'),
      model: textOf(information, 'Model'),
      firmwareVersion: textOf(information, 'FirmwareVersion'),
      serialNumber: textOf(information, 'SerialNumber'),
    };
  }

  /** With video, in the camera's order. Media2 (Profile T) knows H.265, media (Profile S) does not. */
  async profiles(signal: AbortSignal): Promise<readonly OnvifProfile[]> {
    const isMedia2 = this.has('tr2');
    const wanted = ['VideoEncoder', 'AudioEncoder', 'PTZ', 'Metadata', 'AudioOutput'];
    const types = wanted.map(type => `<tr2:Type>${type}</tr2:Type>`).join('');
    const body = isMedia2 ? `<tr2:GetProfiles>${types}</tr2:GetProfiles>` : '<trt:GetProfiles/>';
    const answer = await this.#call(isMedia2 ? 'tr2' : 'trt', body, signal);
    return children(child(answer, 'GetProfilesResponse'), 'Profiles').flatMap(profile => {
      const part = (name: string) =>
        isMedia2 ? child(profile, 'Configurations', name) : child(profile, `${name}Configuration`);
      const encoder = part('VideoEncoder');
      const output = isMedia2 ? part('AudioOutput') : child(profile, 'Extension', 'AudioOutputConfiguration');
      if (encoder === undefined) return [];
      return {
        token: textOf(profile, '@token'),
        name: textOf(profile, 'Name'),
        encoding: textOf(encoder, 'Encoding'),
        width: Number(textOf(encoder, 'Resolution', 'Width')),
        height: Number(textOf(encoder, 'Resolution', 'Height')),
        ptz: part('PTZ') !== undefined,
        metadata: part('Metadata') !== undefined,
        speaker: output !== undefined,
        audio: textOf(part('AudioEncoder'), 'Encoding'),
      };
    });
  }

  /** Without user name and password. */
  async streamUri(profileToken: string, signal: AbortSignal): Promise<string> {
    const token = escapeXml(profileToken);
    const answer = this.has('tr2')
      ? await this.#call(
          'tr2',
          `<tr2:GetStreamUri><tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>${token}</tr2:ProfileToken></tr2:GetStreamUri>`,
          signal,
        )
      : await this.#call(
          'trt',
          '<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol>' +
            `</tt:Transport></trt:StreamSetup><trt:ProfileToken>${token}</trt:ProfileToken></trt:GetStreamUri>`,
          signal,
        );
    return this.#uriOf(answer, 'GetStreamUriResponse');
  }

  async snapshotUri(profileToken: string, signal: AbortSignal): Promise<string> {
    const service = this.has('tr2') ? 'tr2' : 'trt';
    const asked = `<${service}:ProfileToken>${escapeXml(profileToken)}</${service}:ProfileToken>`;
    const body = `<${service}:GetSnapshotUri>${asked}</${service}:GetSnapshotUri>`;
    return this.#uriOf(await this.#call(service, body, signal), 'GetSnapshotUriResponse');
  }

  /** Until `stop`, or for as long as the camera moves by itself. */
  async move(
    profileToken: string,
    { pan, tilt, zoom }: Partial<PtzVelocity>,
    signal: AbortSignal,
  ): Promise<void> {
    const turning = pan !== undefined || tilt !== undefined;
    const velocity =
      (turning ? `<tt:PanTilt x="${pan ?? 0}" y="${tilt ?? 0}"/>` : '') +
      (zoom === undefined ? '' : `<tt:Zoom x="${zoom}"/>`);
    const body = `${ptzProfile(profileToken)}<tptz:Velocity>${velocity}</tptz:Velocity>`;
    await this.#call('tptz', `<tptz:ContinuousMove>${body}</tptz:ContinuousMove>`, signal);
  }

  async stop(profileToken: string, signal: AbortSignal): Promise<void> {
    const body = `${ptzProfile(profileToken)}<tptz:PanTilt>true</tptz:PanTilt><tptz:Zoom>true</tptz:Zoom>`;
    await this.#call('tptz', `<tptz:Stop>${body}</tptz:Stop>`, signal);
  }

  async presets(
    profileToken: string,
    signal: AbortSignal,
  ): Promise<readonly { readonly token: string; readonly name: string }[]> {
    const body = `<tptz:GetPresets>${ptzProfile(profileToken)}</tptz:GetPresets>`;
    const answer = await this.#call('tptz', body, signal);
    return children(child(answer, 'GetPresetsResponse'), 'Preset').map(preset => ({
      token: textOf(preset, '@token'),
      name: textOf(preset, 'Name'),
    }));
  }

  async goToPreset(profileToken: string, presetToken: string, signal: AbortSignal): Promise<void> {
    const preset = `<tptz:PresetToken>${escapeXml(presetToken)}</tptz:PresetToken>`;
    const body = `<tptz:GotoPreset>${ptzProfile(profileToken)}${preset}</tptz:GotoPreset>`;
    await this.#call('tptz', body, signal);
  }

  /** Where it stands now; under the token of one that is there, that one stands here from now on. Gives its token. */
  async setPreset(
    profileToken: string,
    preset: { readonly name: string; readonly token?: string },
    signal: AbortSignal,
  ): Promise<string> {
    const name = `<tptz:PresetName>${escapeXml(preset.name)}</tptz:PresetName>`;
    const known =
      preset.token === undefined ? '' : `<tptz:PresetToken>${escapeXml(preset.token)}</tptz:PresetToken>`;
    const body = `<tptz:SetPreset>${ptzProfile(profileToken)}${name}${known}</tptz:SetPreset>`;
    const token = textOf(await this.#call('tptz', body, signal), 'SetPresetResponse', 'PresetToken');
    if (token !== '' || preset.token !== undefined) return token || preset.token!;
    const words = 'the camera does not say how it calls the preset';
    throw new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
  }

  async removePreset(profileToken: string, presetToken: string, signal: AbortSignal): Promise<void> {
    const preset = `<tptz:PresetToken>${escapeXml(presetToken)}</tptz:PresetToken>`;
    const body = `<tptz:RemovePreset>${ptzProfile(profileToken)}${preset}</tptz:RemovePreset>`;
    await this.#call('tptz', body, signal);
  }

  /** Null: it does not say. */
  async isMoving(profileToken: string, signal: AbortSignal): Promise<boolean | null> {
    const answer = await this.#call(
      'tptz',
      `<tptz:GetStatus>${ptzProfile(profileToken)}</tptz:GetStatus>`,
      signal,
    );
    const status = child(answer, 'GetStatusResponse', 'PTZStatus', 'MoveStatus');
    const said = [textOf(status, 'PanTilt'), textOf(status, 'Zoom')].filter(word => word !== '');
    return said.length === 0 ? null : said.includes('MOVING');
  }

  async relayOutputs(signal: AbortSignal): Promise<readonly string[]> {
    const answer = await this.#call('tds', '<tds:GetRelayOutputs/>', signal);
    const outputs = children(child(answer, 'GetRelayOutputsResponse'), 'RelayOutputs');
    return outputs.map(output => textOf(output, '@token'));
  }

  async setRelayOutput(token: string, active: boolean, signal: AbortSignal): Promise<void> {
    const body =
      `<tds:RelayOutputToken>${escapeXml(token)}</tds:RelayOutputToken>` +
      `<tds:LogicalState>${active ? 'active' : 'inactive'}</tds:LogicalState>`;
    await this.#call('tds', `<tds:SetRelayOutputState>${body}</tds:SetRelayOutputState>`, signal);
  }

  /** Subscribes to what the camera notices. */
  openPullPoint(signal: AbortSignal): Promise<PullPoint> {
    const { address } = this.#options;
    return PullPoint.open(
      {
        eventsAddress: this.#addressOf('tev'),
        resolve: found => sameHost(found, address),
        call: (call, within) => this.#send(call, within),
      },
      signal,
    );
  }

  #uriOf(answer: XmlNode, response: string): string {
    // Media2 gives the URI itself, media a structure around it.
    const uri = textOf(answer, response, 'Uri') || textOf(answer, response, 'MediaUri', 'Uri');
    if (!URL.canParse(uri))
      throw new CameraSessionError(
        'STREAM_UNREADABLE',
        'PROTOCOL_ERROR',
        'the camera gives no address of its stream',
      );
    return withoutUser(uri);
  }

  #addressOf(service: OnvifService): string {
    const address = service === 'tds' ? this.#options.address : this.#addresses.get(namespaceOf(service));
    if (address !== undefined) return address;
    const words = `the camera has no service ${namespaceOf(service)}`;
    throw new CameraSessionError('STREAM_UNSUPPORTED', 'UNSUPPORTED_MEDIA', words);
  }

  #call(service: OnvifService, body: string, signal: AbortSignal): Promise<XmlElement> {
    return this.#send({ url: this.#addressOf(service), body }, signal);
  }

  #send(call: SoapCall, signal: AbortSignal): Promise<XmlElement> {
    const now = () => this.#options.now() + this.#clockOffsetMs;
    return callSoap(call, { ...this.#options, now }, signal);
  }
}

function ptzProfile(token: string): string {
  return `<tptz:ProfileToken>${escapeXml(token)}</tptz:ProfileToken>`;
}

/**
 * A camera behind address translation names addresses of its own network: it is spoken to where it was found, and in the clear
 * only where it was found so.
 */
export function sameHost(found: string, address: string): string {
  if (!URL.canParse(found)) return address;
  const url = new URL(found);
  const { hostname, port, protocol } = new URL(address);
  url.hostname = hostname;
  if (protocol === 'https:') url.protocol = protocol;
  if (url.protocol === protocol) url.port = port;
  return url.href;
}

function withoutUser(uri: string): string {
  return uri.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1');
}

function utcOf(node: XmlNode): number | null {
  const field = (...path: readonly string[]) => Number(textOf(node, ...path) || Number.NaN);
  const ms = Date.UTC(
    field('Date', 'Year'),
    field('Date', 'Month') - 1,
    field('Date', 'Day'),
    ...([field('Time', 'Hour'), field('Time', 'Minute'), field('Time', 'Second')] as const),
  );
  return Number.isNaN(ms) ? null : ms;
}
