// That a change is on the disk before its 202 is on the wire, shown by the system calls of the real service; and the
// queue as a power cut would leave it at each of those moments, rebuilt from the same calls and opened again.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort, startService } from '../../sandbox/service-process.ts';
import { startTwoClouds } from '../../sandbox/two-clouds.ts';
import { openDatabase } from '../../src/queues/sqlite/open-database.ts';
import { withTemporaryFolder } from '../contract/temporary-folder.ts';
import { Choices } from '../model/choices.ts';
import { notification } from '../system/service-under-test.ts';
import { DiskImage, isSync, type Luck } from './disk-image.ts';
import { parseTrace, type SystemCall, tracerCommand, whyNoTracer } from './system-calls.ts';

const LOG = 'queue.sqlite-wal';
const NO_LUCK: Luck = () => false;
const SEED = randomInt(1_000_000_000);

interface Run {
  readonly dataFolder: string;
  readonly calls: readonly SystemCall[];
  readonly answers: readonly Answer[];
}

interface Answer {
  readonly call: SystemCall;
  /** Transfers that it says are stored. */
  readonly ids: readonly string[];
  /** Posted after the answer before it had come. */
  readonly isAlone: boolean;
}

const skip = whyNoTracer();
if (skip !== false)
  console.warn(`SKIPPED: that changes are synced before they are answered is not shown here: ${skip}`);

/** Runs the service under the tracer, posts changes one after the other and side by side, and stops it. */
async function traceService(folder: string): Promise<Run> {
  const clouds = await startTwoClouds({ s3: 0, gcs: 0 });
  const traceFile = join(folder, 'trace');
  const dataFolder = join(folder, 'made', 'data');
  const service = await startService({
    settings: { ...clouds.settings, REPLICATOR_DATA_DIR: dataFolder, LOG_FORMAT: 'json' },
    port: await freePort(),
    apiKey: 'none needed on loopback',
    folder,
    onLog: () => {},
    startedBy: tracerCommand(traceFile),
  });
  let posted = 0;
  const post = async (count: number): Promise<void> => {
    const keys = Array.from({ length: count }, (_, index) => `folder ${posted}/object ${index}`);
    posted += 1;
    assert.equal((await service.post('/v1/events', notification(keys))).status, 202);
  };
  for (const count of [1, 7, 120, 1, 300, 2]) await post(count);
  await Promise.all([3, 1, 40, 1, 1, 9].map(post));
  for (const count of [1, 400, 1]) await post(count);
  const traced = await readFile(`/proc/${service.pid}/task/${service.pid}/children`, 'utf8');
  // Closing writes the log back into the file: that is part of what the power may go away in.
  process.kill(Number(traced), 'SIGTERM');
  await service.stop();
  await clouds.close();
  const calls = parseTrace(await readFile(traceFile, 'utf8'));
  const answers = calls.flatMap((call) => answerOf(call));
  return {
    dataFolder,
    calls,
    answers: answers.map((answer, index) => ({ ...answer, isAlone: index < 7 || index > 11 })),
  };
}

function answerOf(call: SystemCall): Omit<Answer, 'isAlone'>[] {
  if (!call.target.includes('socket') && !call.target.startsWith('TCP')) return [];
  const text = Buffer.concat(call.strings).toString();
  if (!text.startsWith('HTTP/1.1 202')) return [];
  const { transfers } = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { transfers: { id: string }[] };
  return [{ call, ids: transfers.map(({ id }) => id) }];
}

/** Which of these transfers a queue does not know that is opened on what a power cut left. */
async function lostAfterPowerCut(image: DiskImage, ids: readonly string[], luck: Luck): Promise<string[]> {
  return withTemporaryFolder(async (folder) => {
    for (const [name, bytes] of image.afterPowerCut(luck)) await writeFile(join(folder, name), bytes);
    const database = openDatabase(join(folder, 'queue.sqlite'));
    const find = database.prepare('SELECT 1 FROM transfers WHERE id = ?');
    const lost = ids.filter((id) => find.get(id) === undefined);
    database.close();
    return lost;
  });
}

/** What is lost at a power cut right before each answer, of everything that is answered by then with this one. */
async function lostBeforeAnswers(run: Run, calls: readonly SystemCall[], luck: Luck): Promise<string[]> {
  const image = new DiskImage(run.dataFolder);
  const ids: string[] = [];
  const lost: string[] = [];
  for (const call of calls) {
    const answer = run.answers.find((candidate) => candidate.call === call);
    if (answer === undefined) image.apply(call);
    else {
      ids.push(...answer.ids);
      lost.push(...(await lostAfterPowerCut(image, ids, luck)));
    }
  }
  return lost;
}

function luckOf(choices: Choices): Luck {
  return () => choices.chance(500);
}

describe('power cut', { skip }, () => {
  let folder: string;
  let run: Run;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'replicator-power-cut-'));
    run = await traceService(folder);
  });

  after(async () => rm(folder, { recursive: true, force: true }));

  test('each 202 leaves after a write to the log and the end of its sync', () => {
    assert.equal(run.answers.length, 15);
    const log = run.calls.filter(({ target }) => target === join(run.dataFolder, LOG));
    for (const [index, { call, isAlone }] of run.answers.entries()) {
      const lastWrite = log.findLast((each) => each.name === 'pwrite64' && each.startedAt < call.startedAt);
      assert.ok(lastWrite !== undefined, 'Something was written before the first answer');
      assert.ok(
        log.some(
          (each) => isSync(each) && each.startedAt > lastWrite.endedAt && each.endedAt < call.startedAt,
        ),
        `Nothing in the log waits for a sync when answer ${index} leaves`,
      );
      const previousAt = run.answers[index - 1]?.call.endedAt ?? 0;
      assert.ok(!isAlone || lastWrite.startedAt > previousAt, `Answer ${index} has a write of its own`);
    }
  });

  test('the folders that the service made are synced into those above them before the first 202', () => {
    const firstAnswerAt = run.answers[0]?.call.startedAt ?? 0;
    for (const above of [dirname(run.dataFolder), dirname(dirname(run.dataFolder))])
      assert.ok(
        run.calls.some((call) => isSync(call) && call.target === above && call.endedAt < firstAnswerAt),
        `${above} was synced`,
      );
  });

  test('a power cut right before any 202 leaves a queue with all that it accepts', async () => {
    assert.deepEqual(await lostBeforeAnswers(run, run.calls, NO_LUCK), []);
    console.log(`seed ${SEED}: which of the unsynced writes reach the disk, and which of them are torn`);
    const choices = Choices.ofSeed(SEED);
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(await lostBeforeAnswers(run, run.calls, luckOf(choices)), []);
  });

  test('a power cut at any other moment, also while the log is written back, loses nothing answered', async () => {
    const firstAnswerAt = run.answers[0]?.call.endedAt ?? 0;
    const isToFile = ({ target, name, endedAt }: SystemCall): boolean =>
      name === 'pwrite64' && target === join(run.dataFolder, 'queue.sqlite') && endedAt > firstAnswerAt;
    assert.ok(run.calls.some(isToFile), 'The log is written back in this run');
    const choices = Choices.ofSeed(SEED).part('moments');
    const image = new DiskImage(run.dataFolder);
    const ids: string[] = [];
    for (const call of run.calls) {
      const answer = run.answers.find((candidate) => candidate.call === call);
      ids.push(...(answer?.ids ?? []));
      if (answer === undefined) image.apply(call);
      if (choices.chance(isToFile(call) ? 80 : 10))
        assert.deepEqual(await lostAfterPowerCut(image, ids, luckOf(choices)), [], `seed ${SEED}`);
    }
  });

  test('the same run without the syncs of the log would have lost changes', async () => {
    const withoutSyncs = run.calls.filter((call) => !(isSync(call) && call.target.endsWith(LOG)));
    assert.ok((await lostBeforeAnswers(run, withoutSyncs, NO_LUCK)).length > 0);
  });
});
