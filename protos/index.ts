export {
  MediaChannelClient,
  type WireChannelFrame,
  type WireOpen,
  type WirePiece,
} from './holdfast/media/v1/media-channel.js';
