import type { DeviceStream, DeviceStreams } from '@holdfast/schema';

/** What a camera is called to have one of that nobody has configured. */
const ONLY_STREAM = 'main';

/** Of a device that nobody has configured them for: one, at the address of the hardware, for everything. */
export function streamsOf(
  hardware: { readonly address: string },
  device: { readonly streams: DeviceStreams | null },
): DeviceStreams {
  if (device.streams !== null) return device.streams;
  const only = { name: ONLY_STREAM, address: hardware.address };
  return { streams: [only], recorded: only.name, live: only.name, motion: null };
}

/** Undefined: the device has no stream of this name. */
export function streamNamed({ streams }: DeviceStreams, wanted: string): DeviceStream | undefined {
  return streams.find(({ name }) => name === wanted);
}

export function recordedStream(streams: DeviceStreams): DeviceStream {
  return streamNamed(streams, streams.recorded)!;
}
