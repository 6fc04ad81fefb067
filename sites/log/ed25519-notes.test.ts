import { CheckpointError, openCosignature, parseVerifierKey } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { verifyNote } from './ed25519-notes.js';
import { sha256 } from './sha256.js';

const test = suite('Ed25519 notes');

/** A checkpoint that a public log of Certificate Transparency published, as its witnesses cosigned it. */
const published = `arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
`;
const witnessKeys = [
  'transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM',
  'witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO',
  'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2',
  'witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv',
];

test('opens the cosignatures that public witnesses gave a public log, and none over an altered size', () => {
  for (const text of witnessKeys) {
    const key = parseVerifierKey(text, sha256);
    assert.ok(key, text);
    const witness = { name: key.keyName, publicKey: key.publicKey, verify: verifyNote };
    assert.is(openCosignature(published, witness, sha256).timeSeconds, 0x6a12_2120, text);
    const altered = published.replace('1432088532', '1432088533');
    assert.throws(
      () => openCosignature(altered, witness, sha256),
      (error: unknown) => error instanceof CheckpointError && error.failure === 'BAD_SIGNATURE',
    );
  }
});

test.run();
