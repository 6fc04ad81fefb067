import type { ChannelOptions } from '@grpc/grpc-js';
import { HTTP2_WINDOW_BYTES } from './grpc-window.js';

/** Largest message either way: a media chunk or a frame of events is at most 1 MiB, and the rest is reserve. */
export const GRPC_MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Below the 60 s after which carrier NATs forget an idle connection, and only ever sent to our own servers. */
export const KEEPALIVE_TIME_MS = 30_000;
/** A link that has not answered for this long is taken for dead. */
export const KEEPALIVE_TIMEOUT_MS = 10_000;

/** What both ends share. Retries are ours to make, and grpc-js keeps every message of a stream in memory for its own. */
export const commonGrpcOptions: ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.max_receive_message_length': GRPC_MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': GRPC_MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc-node.flow_control_window': HTTP2_WINDOW_BYTES,
};
