// replicator explain s3://bucket/key: the whole story of one object, as the service tells it.
import { z } from 'zod';
import type { CliDeps } from '../cli-deps.ts';
import { printJson, printLine, safeText, showBytes } from '../output.ts';
import { parseS3Url } from '../s3-url.ts';
import { connectToService, LOOK, readAnswer } from '../service-client.ts';
import { describeTransfer, FaultView, TransferView } from '../transfer-view.ts';

const Side = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('present'),
    state: z.object({
      sizeBytes: z.number(),
      etag: z.string().optional(),
      versionId: z.string().optional(),
      lastModified: z.string().optional(),
      generation: z.string().optional(),
      crc32c: z.string().optional(),
    }),
  }),
  z.object({ kind: z.literal('absent') }),
  z.object({ kind: z.literal('unknown'), fault: FaultView }),
]);

const Explanation = z.object({
  source: z.object({ bucket: z.string(), key: z.string() }),
  reason: z.string().optional(),
  rules: z.array(
    z.object({
      rule: z.string(),
      target: z.object({ bucket: z.string(), key: z.string() }),
      sourceNow: Side,
      targetNow: Side,
      verdict: z.string().optional(),
      transfers: z.array(TransferView),
    }),
  ),
});

export async function explainObject(objectUrl: string, isJson: boolean, deps: CliDeps): Promise<void> {
  const { bucket, key } = parseS3Url(objectUrl);
  const path = `/v1/objects/explain?bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}`;
  const answer = await connectToService(deps)({ ...LOOK, path });
  const story = readAnswer(Explanation, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  const lines = [`${safeText(bucket)}/${safeText(key)}`];
  if (story.reason !== undefined) lines.push(`  ${safeText(story.reason)}`);
  for (const rule of story.rules) {
    const { target, transfers, verdict } = rule;
    lines.push(
      `  rule ${safeText(rule.rule)} -> ${safeText(target.bucket)}/${safeText(target.key)}`,
      `    source now: ${describeSide(rule.sourceNow)}`,
      `    target now: ${describeSide(rule.targetNow)}`,
    );
    if (verdict !== undefined) lines.push(`    next look:  ${safeText(verdict)}`);
    lines.push(transfers.length === 0 ? '    no transfer is remembered' : '    transfers, newest first:');
    for (const transfer of transfers)
      lines.push(...describeTransfer(transfer).map((line) => `      ${line}`));
  }
  printLine(deps.stdout, lines.join('\n'));
}

function describeSide(side: z.output<typeof Side>): string {
  switch (side.kind) {
    case 'absent':
      return 'absent';
    case 'unknown':
      return `unknown: ${safeText(side.fault.message ?? side.fault.title)}; ${safeText(side.fault.remedy)}`;
    case 'present': {
      const { sizeBytes, etag, versionId, lastModified, generation, crc32c } = side.state;
      const facts = Object.entries({ etag, version: versionId, modified: lastModified, generation, crc32c });
      const told = facts.flatMap(([name, value]) =>
        value === undefined ? [] : [`${name} ${safeText(value)}`],
      );
      return ['present', showBytes(sizeBytes), ...told].join(', ');
    }
  }
}
