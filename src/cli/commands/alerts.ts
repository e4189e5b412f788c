// replicator alerts: what is wrong now, and whether a message about it would arrive.
import { z } from 'zod';
import type { CliDeps } from '../cli-deps.ts';
import { printJson, printLine, safeText } from '../output.ts';
import { connectToService, LOOK, readAnswer } from '../service-client.ts';

const AlertsAnswer = z.object({
  alerts: z.array(
    z.object({
      kind: z.string(),
      title: z.string(),
      detail: z.string(),
      remedy: z.string(),
      since: z.string(),
      lastSentAt: z.string().nullable(),
    }),
  ),
  receiver: z.object({ origin: z.string(), failure: z.string().nullable() }).nullable(),
});

type AlertsView = z.output<typeof AlertsAnswer>;

const TestAnswer = z.object({ origin: z.string() });

export async function listAlerts(isJson: boolean, deps: CliDeps): Promise<void> {
  const answer = await connectToService(deps)({ ...LOOK, path: '/v1/alerts' });
  const { alerts, receiver } = readAnswer(AlertsAnswer, answer);
  if (isJson) {
    printJson(deps.stdout, answer.json);
    return;
  }
  for (const alert of alerts) printLine(deps.stdout, describeAlert(alert, receiver).join('\n'));
  if (alerts.length === 0) printLine(deps.stderr, 'Nothing is wrong.');
  if (receiver === null) printLine(deps.stderr, 'Nobody is told: ALERT_WEBHOOK_URL is not set.');
  else if (receiver.failure !== null)
    printLine(deps.stderr, `Messages do not arrive: ${safeText(receiver.failure)}.`);
}

export async function testAlerts(isJson: boolean, deps: CliDeps): Promise<void> {
  const answer = await connectToService(deps)({
    method: 'POST',
    path: '/v1/alerts/test',
    scope: 'admin',
    body: {},
    waitSec: null,
  });
  const { origin } = readAnswer(TestAnswer, answer);
  if (isJson) printJson(deps.stdout, answer.json);
  else printLine(deps.stdout, `A test message has arrived at ${safeText(origin)}`);
}

function describeAlert(
  { kind, title, detail, remedy, since, lastSentAt }: AlertsView['alerts'][number],
  receiver: AlertsView['receiver'],
): string[] {
  const told = lastSentAt === null ? 'not yet' : safeText(lastSentAt);
  return [
    `${safeText(kind)}: ${safeText(title)}`,
    `  ${safeText(detail)}`,
    `  since:   ${safeText(since)}`,
    ...(receiver === null ? [] : [`  told:    ${told}`]),
    `  remedy:  ${safeText(remedy)}`,
  ];
}
