import { randomUUID } from 'node:crypto';
import dgram from 'node:dgram';
import { child, children, parseXml, textOf } from './soap.js';

const MULTICAST_ADDRESS = '239.255.255.250';
const PORT = 3702;
/** UDP loses packets: the question is asked this often within the wait. */
const PROBE_COUNT = 3;
/** A network with more cameras is searched by its parts. */
const DEVICES_MAX = 4096;
/** Anybody may answer, with as much as fits into a datagram. */
const ADDRESS_LENGTH_MAX = 2_000;
const TEXT_LENGTH_MAX = 200;

export interface DiscoveredDevice {
  /** Of its device service. */
  readonly address: string;
  readonly name: string;
  readonly hardware: string;
  /** Stays the same when the address changes. */
  readonly endpoint: string;
}

export interface DiscoveryOptions {
  readonly waitMs: number;
  readonly signal: AbortSignal;
  /** Of the interface to ask from; that of the default route unless told otherwise. */
  readonly localAddress?: string;
  /** Other than multicast: one address to be asked, which a network without multicast needs. */
  readonly to?: { readonly host: string; readonly port: number };
}

/** Asks the network for ONVIF devices (WS-Discovery 1.1, ONVIF Core Specification §7) and collects who answers. */
export async function discoverDevices(options: DiscoveryOptions): Promise<readonly DiscoveredDevice[]> {
  const { waitMs, signal, localAddress, to = { host: MULTICAST_ADDRESS, port: PORT } } = options;
  signal.throwIfAborted();
  const found = new Map<string, DiscoveredDevice>();
  const socket = dgram.createSocket('udp4');
  const messageId = `uuid:${randomUUID()}`;
  let probing: NodeJS.Timeout | null = null;
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, waitMs);
      signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          reject(signal.reason);
        },
        { once: true },
      );
      socket.on('error', fault => {
        clearTimeout(timer);
        reject(fault);
      });
      socket.on('message', bytes => {
        for (const device of readProbeMatches(bytes.toString(), messageId))
          if (found.size < DEVICES_MAX) found.set(device.endpoint, device);
      });
      socket.bind(0, localAddress ?? '0.0.0.0', () => {
        if (localAddress !== undefined && to.host === MULTICAST_ADDRESS)
          socket.setMulticastInterface(localAddress);
        const probe = () => socket.send(probeOf(messageId), to.port, to.host, () => {});
        probe();
        probing = setInterval(probe, waitMs / PROBE_COUNT);
      });
    });
  } finally {
    if (probing !== null) clearInterval(probing);
    socket.close();
  }
  return [...found.values()];
}

function probeOf(messageId: string): string {
  return (
    '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" ' +
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" ' +
    'xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>' +
    '<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>' +
    `<a:MessageID>${messageId}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>` +
    '<s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>'
  );
}

/** `[]`: no answer to this question. */
export function readProbeMatches(text: string, messageId: string): readonly DiscoveredDevice[] {
  let envelope: ReturnType<typeof child>;
  try {
    envelope = child(parseXml(text), 'Envelope');
  } catch {
    // Anybody may send to the port.
    return [];
  }
  if (!textOf(envelope, 'Header', 'RelatesTo').endsWith(messageId.slice('uuid:'.length))) return [];
  const body = child(envelope, 'Body');
  // Some devices leave out what should be around the match.
  return children(child(body, 'ProbeMatches') ?? body, 'ProbeMatch').flatMap(match => {
    const address = textOf(match, 'XAddrs')
      .split(/\s+/)
      .find(one => /^https?:\/\//.test(one) && one.length <= ADDRESS_LENGTH_MAX && URL.canParse(one));
    if (address === undefined) return [];
    const scopes = textOf(match, 'Scopes').split(/\s+/);
    const scope = (name: string) => {
      const prefix = `onvif://www.onvif.org/${name}/`;
      const value = scopes.find(one => one.startsWith(prefix))?.slice(prefix.length) ?? '';
      try {
        return decodeURIComponent(value).slice(0, TEXT_LENGTH_MAX);
      } catch {
        return value.slice(0, TEXT_LENGTH_MAX);
      }
    };
    const endpoint = (textOf(match, 'EndpointReference', 'Address') || address).slice(0, ADDRESS_LENGTH_MAX);
    return { address, name: scope('name'), hardware: scope('hardware'), endpoint };
  });
}
