// The steps of the demo and the checks behind them: what went into S3 must be in GCS byte for byte, with its
// checksum, content type and user metadata, as Google's own client sees it.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Storage } from '@google-cloud/storage';
import { SANDBOX_KEYS, SOURCE_BUCKET, TARGET_BUCKET, type TwoClouds } from '../two-clouds.ts';
import type { ServiceProcess, TransferJson } from '../service-process.ts';

const LARGE_BYTES = 256 * 1024 * 1024;
const WAIT_MS = 60_000;

interface DemoFile {
  readonly key: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Line {
  readonly what: string;
  readonly result: string;
  readonly bytes: number;
  readonly ms: number;
}

export interface JourneyParts {
  readonly clouds: TwoClouds;
  readonly service: ServiceProcess;
  readonly folder: string;
  readonly say: (line: string) => void;
  readonly heading: (text: string) => void;
}

export class Journey {
  readonly #parts: JourneyParts;
  readonly #s3: S3Client;
  readonly #google: Storage;
  readonly #lines: Line[] = [];
  #small: DemoFile | null = null;

  constructor(parts: JourneyParts) {
    this.#parts = parts;
    this.#s3 = new S3Client({
      region: 'us-east-1',
      endpoint: parts.clouds.s3.url,
      forcePathStyle: true,
      credentials: SANDBOX_KEYS,
    });
    this.#google = new Storage({
      apiEndpoint: parts.clouds.gcs.url,
      projectId: 'demo',
      useAuthWithCustomEndpoint: false,
    });
  }

  close(): void {
    this.#s3.destroy();
  }

  /** Four files, each awkward in its own way. */
  async copyFiles(): Promise<void> {
    const { say, heading } = this.#parts;
    heading('2. Files written to S3 appear in GCS');
    const text = Buffer.from('Every object written to S3 appears in GCS.\n');
    this.#small = await this.#makeFile('small.txt', text, 'text/plain; charset=utf-8', { owner: 'ann' });
    const files = [
      await this.#makeFile('empty', Buffer.alloc(0), 'application/octet-stream', {}),
      this.#small,
      await this.#makeFile('reports/2026 été+draft (1).csv', Buffer.from('a;b\n1;2\n'), 'text/csv', {
        author: 'Ann',
        lang: 'fr',
      }),
      await this.#makeFile('backup/large.bin', randomBytes(LARGE_BYTES), 'application/x-backup', {
        run: '17',
      }),
    ];
    for (const file of files) {
      say(`\n  ${styleText('cyan', file.key)} (${file.sizeBytes} bytes)`);
      await this.#upload(file, 'replicated', `copied ${file.key}`);
    }
  }

  /** The same bytes again: a new event, and no byte moves. */
  async skipUnchanged(): Promise<void> {
    const { heading, say, service } = this.#parts;
    heading('3. The same file again is not copied again');
    const file = this.#mustHaveSmall();
    await this.#upload(file, 'already_current', `uploaded ${file.key} again, unchanged`);
    const answer = await service.post(
      '/v1/replicate',
      { bucket: SOURCE_BUCKET, key: file.key },
      { prefer: 'wait=30' },
    );
    const { transfers } = answer.body as { transfers: TransferJson[] };
    assert.equal(
      answer.status,
      200,
      `POST /v1/replicate answered ${answer.status}: ${JSON.stringify(answer.body)}`,
    );
    assert.equal(transfers[0]?.outcome, 'already_current');
    say(`  asked for by hand (POST /v1/replicate): ${styleText('green', transfers[0].summary)}`);
    const skipped = service.logLines.filter((line) => line.includes('skipped: already exists'));
    assert.ok(skipped.length >= 2, 'The log does not say "skipped: already exists" twice');
  }

  /** Other bytes under the same name: the new version replaces the old one, in a new generation. */
  async replaceOne(): Promise<void> {
    const { heading, say } = this.#parts;
    heading('4. A new version replaces the old one');
    const before = this.#mustHaveSmall();
    const old = this.#parts.clouds.gcs.getObject(TARGET_BUCKET, before.key);
    const text = Buffer.from('A newer version of the same object.\n');
    const file = await this.#makeFile(before.key, text, 'text/plain; charset=utf-8', { owner: 'ben' });
    await this.#upload(file, 'replicated', `replaced ${file.key}`);
    const now = this.#parts.clouds.gcs.getObject(TARGET_BUCKET, before.key);
    assert.ok(
      old !== null && now !== null && old.generation !== now.generation,
      'The generation did not change',
    );
    say(`  generation ${old.generation} -> ${now.generation}`);
  }

  summarise(totalMs: number): void {
    const { heading, say } = this.#parts;
    heading('Summary');
    const width = Math.max(...this.#lines.map((line) => line.what.length));
    for (const { what, result, bytes, ms } of this.#lines) {
      say(
        `  ${what.padEnd(width)}  ${String(bytes).padStart(10)} bytes  ${String(ms).padStart(6)} ms  ${result}`,
      );
    }
    say(
      styleText(
        'green',
        `\n  All ${this.#lines.length} steps verified by Google's client, ${(totalMs / 1000).toFixed(1)} s in all.`,
      ),
    );
  }

  #mustHaveSmall(): DemoFile {
    assert.ok(this.#small, 'The files were not copied yet');
    return this.#small;
  }

  async #makeFile(
    key: string,
    bytes: Buffer,
    contentType: string,
    metadata: Record<string, string>,
  ): Promise<DemoFile> {
    const path = join(
      this.#parts.folder,
      `file-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`,
    );
    await writeFile(path, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { key, path, sizeBytes: bytes.length, sha256, contentType, metadata };
  }

  async #upload(file: DemoFile, expectedOutcome: string, what: string): Promise<void> {
    const { service } = this.#parts;
    const previous = await service.newest(SOURCE_BUCKET, file.key);
    const startedMs = performance.now();
    await this.#putToS3(file);
    const transfer = await this.#waitForEnd(file, previous?.id ?? null);
    const ms = Math.round(performance.now() - startedMs);
    assert.equal(transfer.outcome, expectedOutcome, `${file.key}: the outcome is ${transfer.outcome}`);
    await this.#checkTarget(file, transfer);
    const { receipt } = transfer;
    this.#parts.say(
      `    ${styleText('green', transfer.summary)} in ${ms} ms; crc32c ${receipt?.crc32c}, generation ${receipt?.generation}, verified: ${receipt?.verified}`,
    );
    this.#lines.push({ what, result: transfer.summary, bytes: file.sizeBytes, ms });
  }

  async #putToS3(file: DemoFile): Promise<void> {
    const request = {
      Bucket: SOURCE_BUCKET,
      Key: file.key,
      Body: createReadStream(file.path),
      ContentLength: file.sizeBytes,
      ContentType: file.contentType,
      Metadata: { ...file.metadata },
    };
    if (file.sizeBytes < LARGE_BYTES) {
      await this.#s3.send(new PutObjectCommand(request));
      return;
    }
    const { ContentLength: _, ...streamed } = request;
    await new Upload({ client: this.#s3, params: streamed, partSize: 16 * 1024 * 1024 }).done();
  }

  async #waitForEnd(file: DemoFile, previousId: string | null): Promise<TransferJson> {
    const deadline = performance.now() + WAIT_MS;
    let shownBytes = 0;
    while (performance.now() < deadline) {
      const transfer = await this.#parts.service.newest(SOURCE_BUCKET, file.key);
      if (transfer !== null && transfer.id !== previousId) {
        if (transfer.status === 'done') return transfer;
        if (transfer.status === 'parked')
          throw new Error(`${file.key} is parked: ${JSON.stringify(transfer.fault)}`);
        if (transfer.bytesDone > shownBytes) {
          shownBytes = transfer.bytesDone;
          const percent = Math.floor((shownBytes / file.sizeBytes) * 100);
          this.#parts.say(`    ${percent} % (${shownBytes} of ${file.sizeBytes} bytes)`);
        }
      }
      await sleep(20);
    }
    throw new Error(`${file.key} did not arrive within ${WAIT_MS / 1000} s`);
  }

  /** With Google's own client: bytes, size, checksum, content type, user metadata. */
  async #checkTarget(file: DemoFile, transfer: TransferJson): Promise<void> {
    const object = this.#google.bucket(TARGET_BUCKET).file(file.key);
    const [metadata] = await object.getMetadata();
    assert.equal(Number(metadata.size), file.sizeBytes, `${file.key}: size`);
    assert.equal(metadata.contentType, file.contentType, `${file.key}: content type`);
    assert.equal(metadata.crc32c, transfer.receipt?.crc32c, `${file.key}: the receipt has another checksum`);
    for (const [name, value] of Object.entries(file.metadata)) {
      assert.equal(metadata.metadata?.[name], value, `${file.key}: user metadata ${name}`);
    }
    const copy = join(this.#parts.folder, 'downloaded');
    await pipeline(object.createReadStream({ validation: 'crc32c' }), createWriteStream(copy));
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(copy)) hash.update(chunk as Buffer);
    assert.equal(hash.digest('hex'), file.sha256, `${file.key}: the bytes differ`);
  }
}
