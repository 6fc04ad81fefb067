import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import http from 'node:http';
import type net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { child, escapeXml, parseXml, textOf, type XmlNode } from './soap.js';

export interface OnvifCameraOptions {
  readonly streamUri: string;
  readonly port?: number;
  /** Of this machine; 127.0.0.1 unless told otherwise. */
  readonly host?: string;
  readonly credentials?: { readonly userName: string; readonly password: string };
  /** The camera's clock minus ours. A signature more than a minute from it is refused. */
  readonly clockOffsetMs?: number;
  /** Profile T. */
  readonly media2?: boolean;
  /** It answers at once when there is nothing to tell. */
  readonly impatient?: boolean;
  /** Its main profile has an audio output. */
  readonly speaker?: boolean;
}

const SIGNATURE_AGE_MS_MAX = 60_000;
const ns = (name: string) => `http://www.onvif.org/${name}/wsdl`;

/** A scripted ONVIF device: answers as the specification has it, as far as the driver asks, and remembers what it was told. */
export class OnvifCamera implements AsyncDisposable {
  readonly #options: OnvifCameraOptions;
  readonly #server: http.Server;
  readonly #discovery = dgram.createSocket('udp4');
  readonly told: string[] = [];
  pullCount = 0;
  readonly #messages: string[] = [];
  readonly #presets = new Map([['1', 'Gate & door']]);
  /** How often it still answers that it moves. */
  #moving = 0;
  port = 0;
  discoveryPort = 0;

  private constructor(options: OnvifCameraOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => void this.#answer(request, response));
    this.#discovery.on('message', (bytes, from) => {
      const id = textOf(child(parseXml(bytes.toString()), 'Envelope'), 'Header', 'MessageID');
      this.#discovery.send(this.#probeMatch(id), from.port, from.address);
    });
  }

  static async open(options: OnvifCameraOptions): Promise<OnvifCamera> {
    const camera = new OnvifCamera(options);
    await new Promise<void>(resolve => camera.#server.listen(options.port ?? 0, camera.#host, resolve));
    await new Promise<void>(resolve => camera.#discovery.bind(0, '127.0.0.1', resolve));
    camera.port = (camera.#server.address() as net.AddressInfo).port;
    camera.discoveryPort = camera.#discovery.address().port;
    return camera;
  }

  get #host(): string {
    return this.#options.host ?? '127.0.0.1';
  }

  get address(): string {
    return `http://${this.#host}:${this.port}/onvif/device_service`;
  }

  /** Tells who has subscribed. */
  notify(topic: string, item: { readonly name: string; readonly value: string }): void {
    this.#messages.push(
      `<wsnt:NotificationMessage><wsnt:Topic Dialect="x">${topic}</wsnt:Topic><wsnt:Message>` +
        `<tt:Message UtcTime="2026-11-20T10:00:00Z"><tt:Source><tt:SimpleItem Name="Token" Value="one"/></tt:Source>` +
        `<tt:Data><tt:SimpleItem Name="${item.name}" Value="${item.value}"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#discovery.close();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const envelope = child(parseXml(Buffer.concat(chunks).toString()), 'Envelope');
    const body = child(envelope, 'Body') as { readonly [name: string]: XmlNode };
    const action = Object.keys(body).find(name => !name.startsWith('@')) ?? '';
    const content =
      action === 'GetSystemDateAndTime' || this.#isAllowed(envelope)
        ? await this.#contentOf(action, body[action])
        : '<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code>' +
          '<s:Reason><s:Text>Sender not authorized</s:Text></s:Reason></s:Fault>';
    const isFault = content.startsWith('<s:Fault>');
    response.writeHead(isFault ? 400 : 200, { 'content-type': 'application/soap+xml' });
    response.end(
      '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="x" xmlns:wsnt="y" xmlns:r="z">' +
        `<s:Body>${isFault ? content : `<r:${action}Response>${content}</r:${action}Response>`}</s:Body></s:Envelope>`,
    );
  }

  #isAllowed(envelope: XmlNode): boolean {
    const { credentials, clockOffsetMs = 0 } = this.#options;
    if (credentials === undefined) return true;
    const token = child(envelope, 'Header', 'Security', 'UsernameToken');
    const nonce = Buffer.from(textOf(token, 'Nonce'), 'base64');
    const created = textOf(token, 'Created');
    const digest = createHash('sha1')
      .update(nonce)
      .update(created)
      .update(credentials.password)
      .digest('base64');
    return (
      textOf(token, 'Username') === credentials.userName &&
      textOf(token, 'Password') === digest &&
      Math.abs(Date.parse(created) - Date.now() - clockOffsetMs) < SIGNATURE_AGE_MS_MAX
    );
  }

  async #contentOf(action: string, asked: XmlNode): Promise<string> {
    const { media2 = false, speaker = false, impatient = false, streamUri } = this.#options;
    switch (action) {
      case 'GetSystemDateAndTime':
        return this.#clock();
      case 'GetServices':
        return this.#services();
      case 'GetDeviceInformation':
        return '<r:Manufacturer>Acme</r:Manufacturer><r:Model>Eye</r:Model><r:FirmwareVersion>1.2</r:FirmwareVersion><r:SerialNumber>77</r:SerialNumber>';
      case 'GetProfiles':
        return (
          profile('metadata', '') +
          profile(
            'main',
            `${encoder(media2, 'H264', speaker)}${media2 ? '' : `<tt:PTZConfiguration token="p"/>${speaker ? speakerOfMedia : ''}`}`,
          ) +
          profile('sub', encoder(media2, 'H265'))
        );
      case 'GetStreamUri': {
        this.told.push(`stream ${textOf(asked, 'ProfileToken')}`);
        const uri = streamUri.replace('://', '://user:word@');
        return media2 ? `<r:Uri>${uri}</r:Uri>` : `<r:MediaUri><tt:Uri>${uri}</tt:Uri></r:MediaUri>`;
      }
      case 'CreatePullPointSubscription':
        return `<r:SubscriptionReference><r:Address>http://10.99.0.1/onvif/sub/7</r:Address></r:SubscriptionReference>`;
      case 'PullMessages':
        this.pullCount += 1;
        for (let turn = 0; turn < 100 && this.#messages.length === 0 && !impatient; turn += 1) await wait(20);
        return this.#messages.splice(0).join('');
      case 'GetPresets':
        return [...this.#presets]
          .map(
            ([token, name]) => `<r:Preset token="${token}"><tt:Name>${escapeXml(name)}</tt:Name></r:Preset>`,
          )
          .join('');
      case 'SetPreset': {
        if (this.#moving > 0) return '<s:Fault><s:Reason><s:Text>Moving PTZ</s:Text></s:Reason></s:Fault>';
        const token = textOf(asked, 'PresetToken') || String(this.#presets.size + 1);
        this.#presets.set(token, textOf(asked, 'PresetName'));
        return `<r:PresetToken>${token}</r:PresetToken>`;
      }
      case 'RemovePreset':
        if (this.#presets.delete(textOf(asked, 'PresetToken'))) return '';
        return '<s:Fault><s:Reason><s:Text>No such preset</s:Text></s:Reason></s:Fault>';
      case 'GetStatus': {
        const says = this.#moving > 0 ? 'MOVING' : 'IDLE';
        this.#moving = Math.max(0, this.#moving - 1);
        return `<r:PTZStatus><tt:MoveStatus><tt:PanTilt>${says}</tt:PanTilt></tt:MoveStatus></r:PTZStatus>`;
      }
      case 'GetRelayOutputs':
        return '<r:RelayOutputs token="relay-1"/>';
      case 'ContinuousMove':
      case 'Stop':
      case 'GotoPreset':
      case 'SetRelayOutputState':
      case 'Unsubscribe':
        this.told.push(`${action} ${JSON.stringify(asked)}`);
        if (action === 'GotoPreset') this.#moving = 1;
        return '';
      default:
        return '<s:Fault><s:Reason><s:Text>Action not supported</s:Text></s:Reason></s:Fault>';
    }
  }

  #clock(): string {
    const at = new Date(Date.now() + (this.#options.clockOffsetMs ?? 0));
    const time = `<tt:Hour>${at.getUTCHours()}</tt:Hour><tt:Minute>${at.getUTCMinutes()}</tt:Minute><tt:Second>${at.getUTCSeconds()}</tt:Second>`;
    const date = `<tt:Year>${at.getUTCFullYear()}</tt:Year><tt:Month>${at.getUTCMonth() + 1}</tt:Month><tt:Day>${at.getUTCDate()}</tt:Day>`;
    return `<r:SystemDateAndTime><tt:UTCDateTime><tt:Time>${time}</tt:Time><tt:Date>${date}</tt:Date></tt:UTCDateTime></r:SystemDateAndTime>`;
  }

  /** It names an address of a network that nobody reaches from here. */
  #services(): string {
    const names = ['ver10/device', 'ver10/media', 'ver10/events', 'ver20/ptz'];
    if (this.#options.media2) names.push('ver20/media');
    return names
      .map(
        name =>
          `<r:Service><r:Namespace>${ns(name)}</r:Namespace><r:XAddr>http://10.99.0.1/onvif/${name}</r:XAddr></r:Service>`,
      )
      .join('');
  }

  #probeMatch(relatesTo: string): string {
    return (
      '<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="w" xmlns:d="d"><e:Header>' +
      `<w:RelatesTo>${relatesTo}</w:RelatesTo></e:Header><e:Body><d:ProbeMatches><d:ProbeMatch><w:EndpointReference><w:Address>urn:uuid:7</w:Address>` +
      '</w:EndpointReference><d:Scopes>onvif://www.onvif.org/name/Front%20door onvif://www.onvif.org/hardware/Eye</d:Scopes>' +
      `<d:XAddrs>${this.address} http://[fe80::1]/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>`
    );
  }
}

function profile(token: string, content: string): string {
  return `<r:Profiles token="${token}"><tt:Name>${token}</tt:Name>${content}</r:Profiles>`;
}

const speakerOfMedia = '<tt:Extension><tt:AudioOutputConfiguration token="o"/></tt:Extension>';

function encoder(media2: boolean, encoding: string, speaker = false): string {
  const content = `<tt:Encoding>${encoding}</tt:Encoding><tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution>`;
  return media2
    ? `<r:Configurations><r:VideoEncoder token="e">${content}</r:VideoEncoder><r:PTZ token="p"/>${speaker ? '<r:AudioOutput token="o"/>' : ''}</r:Configurations>`
    : `<tt:VideoEncoderConfiguration token="e">${content}</tt:VideoEncoderConfiguration>`;
}
