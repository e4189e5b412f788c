// The command line: its commands and options, and the one place where a failure becomes text and an exit code.
import { CommanderError } from 'commander';
import { Command, Option } from '@commander-js/extra-typings';
import { type CliDeps, type EndWith, KEY_SCOPES } from './cli-deps.ts';
import { listAlerts, testAlerts } from './commands/alerts.ts';
import { decideBrake, listBrakes } from './commands/brake.ts';
import { printConfig } from './commands/config.ts';
import { doctor } from './commands/doctor.ts';
import { explainObject } from './commands/explain.ts';
import { createKey } from './commands/keys.ts';
import { listParked, redriveParked } from './commands/parked.ts';
import { listQuarantine, showQuarantined } from './commands/quarantine.ts';
import { replicate } from './commands/replicate.ts';
import { backfill, reconcile } from './commands/runs.ts';
import { setupNotification } from './commands/setup.ts';
import { listTransfers, redriveTransfer } from './commands/transfers.ts';
import { CliFailure, EXIT, type ExitCode } from './exit-codes.ts';
import { printJson, safeText } from './output.ts';

/** Runs one command. Answers the exit code; never rejects for anything a person or a service did. */
export async function runCli(deps: CliDeps): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const program = buildProgram(deps, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...deps.args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (deps.signal.aborted) return EXIT.interrupted;
    // Its text is written already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof CliFailure)) throw error;
    tellFailure(error, deps);
    return error.exitCode;
  }
}

function tellFailure(failure: CliFailure, deps: CliDeps): void {
  const { code, message, remedy } = failure;
  if (deps.args.includes('--json')) {
    printJson(deps.stdout, { error: { code, message, ...(remedy === null ? {} : { remedy }) } });
    return;
  }
  const lines = message.split('\n').map(safeText).join('\n');
  deps.stderr.write(`${lines}${remedy === null ? '' : `\n${safeText(remedy)}`}\n`);
}

const OBJECT_HELP = 'the source object, s3://bucket/key; the key is taken as it is';

function buildProgram(deps: CliDeps, endWith: EndWith) {
  const program = new Command('replicator')
    .description('Copies every object written to an S3 bucket into a Google Cloud Storage bucket.')
    .version(deps.version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void deps.stdout.write(text),
      writeErr: (text) => void deps.stderr.write(text),
    })
    .showHelpAfterError('See --help.');
  program
    .command('serve')
    .description('run the service until it is stopped')
    .addOption(
      new Option(
        '--only <part>',
        'with DATABASE_URL: intake takes changes and answers the API, and leaves the copying to others',
      ).choices(['intake']),
    )
    .addHelpText(
      'after',
      '\nIt is set up by the environment and .env: "replicator config print" shows every setting.',
    )
    .action(async ({ only }) => {
      await deps.serve(only === 'intake' ? 'intake' : 'all');
    });
  program
    .command('worker')
    .description('copy what others have announced, until it is stopped')
    .addOption(
      new Option(
        '--from <queue>',
        'sqs: straight from the messages of SQS_QUEUE_URL, without a database; database: what services have taken into DATABASE_URL',
      )
        .choices(['sqs', 'database'])
        .makeOptionMandatory(),
    )
    .addHelpText('after', '\nAny number of them may share one queue. Set PORT for health and metrics.')
    .action(async ({ from }) => {
      await (from === 'sqs' ? deps.work() : deps.serve('attempts'));
    });
  const config = program.command('config').description('look at the configuration');
  config
    .command('print')
    .description('print every setting with its origin, the rules as understood, and what is wrong')
    .option('--json', 'print JSON', false)
    .action(async ({ json }) => printConfig(json, deps, endWith));
  const keys = program.command('keys').description('keys for callers of the API');
  keys
    .command('create')
    .description('make a new key; the service keeps only its digest')
    .addOption(new Option('--scope <scope>', 'what the key may do').choices(KEY_SCOPES).makeOptionMandatory())
    .requiredOption('--id <name>', 'name of the key in logs: letters, digits, dots, hyphens')
    .option('--json', 'print JSON', false)
    .action((options) => createKey(options, deps));
  addServiceCommands(program, deps, endWith);
  addAlertsCommand(program, deps);
  addBrakeCommands(program, deps);
  addSetupCommands(program, deps, endWith);
  return program;
}

/** The commands that call a running service. */
function addServiceCommands(program: Command, deps: CliDeps, endWith: EndWith): void {
  program
    .command('replicate')
    .description('replicate one object now')
    .argument('<object>', OBJECT_HELP)
    .option('--wait <seconds>', 'wait for the end, at most this long')
    .option('--json', 'print JSON', false)
    .action(async (object, { wait, json }) => replicate(object, { wait, json }, deps, endWith));
  addRunCommands(program, deps, endWith);
  program
    .command('transfers')
    .description('list transfers, newest first')
    .option('--status <status>', 'queued, copying, settling, done or parked')
    .option('--rule <name>', 'only of this rule')
    .option('--fault <code>', 'only with this fault')
    .option('--bucket <name>', 'only of this source bucket')
    .option('--prefix <text>', 'only keys that begin with this text')
    .option('--limit <count>', 'entries of a page')
    .option('--cursor <cursor>', 'the next page, as the page before said')
    .option('--json', 'print JSON', false)
    .action(async ({ json, ...query }) => listTransfers(query, json, deps));
  program
    .command('explain')
    .description('tell the whole story of one object')
    .argument('<object>', OBJECT_HELP)
    .option('--json', 'print JSON', false)
    .action(async (object, { json }) => explainObject(object, json, deps));
  program
    .command('redrive')
    .description('run one transfer again, now, or all parked ones of a reason')
    .argument('[transfer]', 'the id of the transfer; without it, the options say which')
    .option('--fault <code>', 'all that are parked with this fault')
    .option('--rule <name>', 'only of this rule')
    .option('--bucket <name>', 'only of this source bucket')
    .option('--prefix <text>', 'only keys that begin with this text')
    .option('--json', 'print JSON', false)
    .action(async (transfer, { json, ...filter }) => {
      const isFiltered = Object.keys(filter).length > 0;
      if (transfer === undefined) return redriveParked(filter, json, deps, endWith);
      if (!isFiltered) return redriveTransfer(transfer, json, deps);
      throw new CliFailure(EXIT.usage, 'invalid_usage', 'Name one transfer, or options, not both.');
    });
  program
    .command('parked')
    .description('list what is parked, reason by reason, with what to do about it')
    .option('--json', 'print JSON', false)
    .action(async ({ json }) => listParked(json, deps));
  program
    .command('quarantine')
    .description('list the records that could not be understood, newest first, or show one of them whole')
    .argument('[record]', 'the id of the record')
    .option('--limit <count>', 'entries of a page')
    .option('--cursor <cursor>', 'the next page, as the page before said')
    .option('--json', 'print JSON', false)
    .action(async (record, { json, ...query }) =>
      record === undefined ? listQuarantine(query, json, deps) : showQuarantined(record, json, deps),
    );
}

/** The command about alerts. */
function addAlertsCommand(program: Command, deps: CliDeps): void {
  program
    .command('alerts')
    .description('list what is wrong now, with what to do about it')
    .option('--test', 'send a test message to ALERT_WEBHOOK_URL of the service instead', false)
    .option('--json', 'print JSON', false)
    .action(async ({ test, json }) => (test ? testAlerts(json, deps) : listAlerts(json, deps)));
}

/** The commands about held deletes. */
function addBrakeCommands(program: Command, deps: CliDeps): void {
  const brake = program
    .command('brake')
    .description('list the brakes of the rules that mirror deletes, or decide about the deletes they hold')
    .option('--json', 'print JSON', false)
    .action(async ({ json }) => listBrakes(json, deps));
  // The option of the command itself: it is understood before and behind the name of what to do.
  brake
    .command('release')
    .description('let the held deletes of a rule happen; each looks at both sides first')
    .argument('<rule>', 'the name of the rule')
    .action(async (rule) => decideBrake('release', rule, brake.opts().json, deps));
  brake
    .command('reject')
    .description('let the objects of the held deletes stay at the target for good')
    .argument('<rule>', 'the name of the rule')
    .action(async (rule) => decideBrake('reject', rule, brake.opts().json, deps));
}

/** The commands that begin a run and follow it. */
function addRunCommands(program: Command, deps: CliDeps, endWith: EndWith): void {
  program
    .command('backfill')
    .description('bring over what is at the source already, in the background, and follow it')
    .argument('[place]', 's3://bucket or s3://bucket/prefix; without it, the bucket of the rule')
    .option('--rule <name>', 'only by this rule')
    .option('--prefix <text>', 'only keys that begin with this text')
    .option('--detach', 'do not follow it', false)
    .option('--cancel <id>', 'end a backfill; what it fed goes on')
    .option('--json', 'print JSON', false)
    .action(async (place, options) => backfill(place, options, deps, endWith));
  program
    .command('reconcile')
    .description('compare both sides by their listings, have what differs looked at, and follow it')
    .option('--rule <name>', 'only this rule')
    .option('--detach', 'do not follow it', false)
    .option('--cancel <id>', 'end a reconcile; what it fed goes on')
    .option('--json', 'print JSON', false)
    .action(async (options) => reconcile(options, deps, endWith));
}

/** The commands that prepare and examine what lies around the service. */
function addSetupCommands(program: Command, deps: CliDeps, endWith: EndWith): void {
  const setup = program.command('setup').description('prepare what the service needs around it');
  setup
    .command('notification')
    .description('let the source buckets announce their changes, beside what they announce already')
    .option('--bucket <name>', 'only this bucket; needed where a rule covers every bucket')
    .option('--rule <name...>', 'only what these rules need')
    .option('--function <arn>', 'send to this Lambda function')
    .option('--queue <url>', 'send to this SQS queue, by address or ARN; SQS_QUEUE_URL without it')
    .option('--topic <arn>', 'send to this SNS topic')
    .option('--profile <name>', 'with the AWS credentials of this profile, not those of the settings')
    .option('--remove', 'take out what this command added, and nothing else', false)
    .option('--apply', 'write it; without it, only the plan is shown', false)
    .option('--json', 'print JSON', false)
    .action(async (options) => setupNotification(options, deps, endWith));
  program
    .command('doctor')
    .description('try every permission and connection that the service needs, and say what to do')
    .option('--canary', 'send one object the whole way; needs permission to write to the source', false)
    .option('--wait <seconds>', 'how long the object may take', '60')
    .option('--bucket <name>', 'only this source bucket; needed where a rule covers every bucket')
    .option('--json', 'print JSON', false)
    .action(async (options) => doctor(options, deps, endWith));
}
