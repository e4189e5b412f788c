// An upload that is cut and goes on, against the one independent server that keeps what arrived before a cut. It keeps
// single bytes where the real service keeps whole blocks: our driver has to go on from any offset it is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finish, live, openUpload, patternBytes, send } from '../contract/object-target-fixture.ts';
import { serverAddress } from './addresses.ts';
import { openGcsBucket } from './gcs-bucket.ts';
import type { ServerAddress } from './servers.ts';

const address = serverAddress('gcp-storage-emulator');
const skip = 'reason' in address ? address.reason : false;

test('an upload that was cut goes on from the byte the server names', { skip }, async () => {
  const fixture = await openGcsBucket(address as ServerAddress, 'resume', 1);
  const { target, bucket } = fixture;
  const context = {
    target,
    bucket,
    at: (key: string) => ({ bucket, key }),
    readBytes: async ({ key }: { readonly key: string }) => fixture.readBytes(key),
    foreignWrite: async () => {},
  };
  try {
    const { blockBytes } = target.capabilities;
    const bytes = patternBytes(blockBytes * 4 + 77);
    const location = context.at('resumed');
    const session = await openUpload(context, location);
    assert.equal(await send(context, session, bytes, 0, blockBytes), blockBytes);

    const cut = new Error('the source was cut');
    const beforeCut = blockBytes + 100_000;
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(blockBytes, beforeCut);
      throw cut;
    }
    const sending = target.sendUpload(
      { session, startByte: blockBytes, lengthBytes: blockBytes * 3, body: broken() },
      live(),
    );
    await assert.rejects(sending, (error) => error === cut);

    const progress = await target.uploadProgress(session, live());
    assert.ok(progress.kind === 'open', `The upload is ${progress.kind}`);
    const { persistedBytes } = progress;
    assert.ok(
      persistedBytes >= blockBytes && persistedBytes <= beforeCut,
      `${persistedBytes} bytes are kept`,
    );
    assert.equal(await send(context, session, bytes, persistedBytes, blockBytes * 4), blockBytes * 4);
    const answer = await finish(context, session, bytes, blockBytes * 4);
    assert.equal(answer.kind, 'committed');
    assert.deepEqual(await fixture.readBytes('resumed'), Buffer.from(bytes));
  } finally {
    await fixture.close();
  }
});
