export {
  SubjectKeysClient,
  type WireErasedKey,
  type WireOfferAnswer,
  type WireOfferRequest,
  type WireReclaimAnswer,
  type WireReclaimRequest,
  type WireSubjectKey,
} from './holdfast/keys/v1/subject-keys.js';
export {
  ReplicationClient,
  type WireAck,
  type WireBatch,
  type WireChildFrame,
  type WireHead,
  type WireHello,
  type WireHistory,
  type WireParentFrame,
  type WirePlace,
  type WirePong,
  type WireRefused,
  type WireRelayedHead,
  type WireWant,
  type WireWelcome,
  type WireWishes,
} from './holdfast/log/v1/replication.js';
export {
  MediaChannelClient,
  type WireChannelFrame,
  type WireOpen,
  type WirePiece,
} from './holdfast/media/v1/media-channel.js';
