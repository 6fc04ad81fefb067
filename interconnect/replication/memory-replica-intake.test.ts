import { suite } from 'uvu';
import { createMemoryReplicaIntake } from './memory-replica-intake.js';
import { describeReplicaIntake } from './replica-intake.conformance.js';
import { sha256 } from './replication.fixture.js';

const test = suite('memory replica intake');

describeReplicaIntake(test, {
  sha256,
  open: async () => {
    const intake = createMemoryReplicaIntake();
    return {
      intake,
      reader: intake,
      mender: intake,
      stored: async site => intake.events(site),
      feed: async () => intake.feed(),
    };
  },
});

test.run();
