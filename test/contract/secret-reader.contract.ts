// What every place that keeps secrets has to answer, and how its failures are named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecretReader, SecretReading, SecretTroubleKind } from '../../src/core/secret-reader.ts';

export interface ExpectedTrouble {
  readonly kind: SecretTroubleKind;
  readonly mayPass: boolean;
  /** What its words have to hold. */
  readonly says?: RegExp;
}

/** One place over its real protocol, holding what a test puts there. */
export interface SecretPlaceUnderTest extends AsyncDisposable {
  readonly reader: SecretReader;
  /** Keeps a text and answers the name under which it is read. */
  keep(text: string): Promise<string>;
  /** A well-formed name under which nothing is kept. */
  readonly missingName: string;
  /** Names that fail in a way of their own; each kind that the place can have. */
  readonly failing: ReadonlyMap<string, ExpectedTrouble>;
  /** A name that is never answered; null where the place cannot be silent. */
  readonly silentName: string | null;
}

const patient = new AbortController().signal;

export function secretReaderContract(place: string, open: () => Promise<SecretPlaceUnderTest>): void {
  test(`${place}: a secret comes back exactly as it was kept`, async () => {
    await using under = await open();
    for (const secret of ['plain', ' spaces stay ', 'two\nlines', '{"a": "b"}', 'ünï☃', 'x'.repeat(4000)]) {
      const name = await under.keep(secret);
      assert.deepEqual(await under.reader.read(name, patient), { ok: true, text: secret });
    }
  });

  test(`${place}: a secret that is not there is missing, and asking again would not help`, async () => {
    await using under = await open();
    const trouble = troubleOf(await under.reader.read(under.missingName, patient));
    assert.equal(trouble.kind, 'missing');
    assert.equal(trouble.mayPass, false);
  });

  test(`${place}: every failure has its name`, async () => {
    await using under = await open();
    for (const [name, { kind, mayPass, says = /(?:)/ }] of under.failing) {
      const trouble = troubleOf(await under.reader.read(name, patient));
      assert.equal(trouble.kind, kind, `${name}: ${trouble.detail}`);
      assert.equal(trouble.mayPass, mayPass, `${name}: ${trouble.detail}`);
      assert.match(trouble.detail, says);
    }
  });

  test(`${place}: an abort rejects with its reason`, async () => {
    await using under = await open();
    if (under.silentName === null) return;
    const controller = new AbortController();
    const reading = under.reader.read(under.silentName, controller.signal);
    const reason = new Error('enough');
    setImmediate(() => controller.abort(reason));
    await assert.rejects(reading, reason);
  });
}

function troubleOf(reading: SecretReading) {
  assert.ok(!reading.ok, 'it must not be read');
  return reading.trouble;
}
