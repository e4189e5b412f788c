// docs/faults.md, from the closed table of faults.
import { EXIT_CODE_OF_FAULT } from '../src/cli/exit-codes.ts';
import { type Disposition, type FaultCode, FAULTS, isFaultCode } from '../src/core/faults.ts';
import { HTTP_STATUS_OF_FAULT } from '../src/http/problem.ts';
import { RECHECKED_FAULTS } from '../src/replication/recheck-parked.ts';

const DISPOSITION_TEXT: Record<Disposition, string> = {
  retry: 'tried again after a growing wait; parked when the attempts are used up',
  retry_now: 'tried again at once; parked when the attempts are used up',
  wait_for_store: 'tried again after a growing wait for as long as it takes; no attempt is used up',
  park: 'parked: nothing is lost, a person has to act, then the transfer is redriven',
};

/** The page for people who look up what a fault means. */
export function faultsPage(): string {
  const dispositions = Object.entries(DISPOSITION_TEXT).map(([name, text]) => `| \`${name}\` | ${text} |`);
  const faults = Object.entries(FAULTS).map(([code, { disposition, title, remedy }]) => {
    if (!isFaultCode(code)) throw new Error(`${code} is not in the table of faults`);
    const exitCode = EXIT_CODE_OF_FAULT[code];
    return `| \`${code}\` | ${title} | ${disposition}${recheckNote(code)} | ${remedy} | ${HTTP_STATUS_OF_FAULT[code]} | ${exitCode} |`;
  });
  return `# Faults

This page is written by \`npm run docs\` from \`src/core/faults.ts\`; change the table there.

Everything that can go wrong with a transfer has one of these codes. Log lines, \`replicator_transfers_total{fault}\`, the API and the commands use them.

| what the service does | |
|---|---|
${dispositions.join('\n')}

Find what is parked with \`replicator parked\`, the transfers of a fault with \`replicator transfers --status parked --fault CODE\`; run one again with \`replicator redrive ID\`, all of a fault with \`replicator redrive --fault CODE\`. Of what is marked "rechecked" the service itself tries one transfer every 15 minutes, and all when that one no longer fails so.

| code | what happened | what the service does | what to do | HTTP status | exit code |
|---|---|---|---|---|---|
${faults.join('\n')}

HTTP status: where a request itself has to wait for the stores. Exit code: of \`replicator replicate --wait\` when its transfer is parked with this fault (1 failure, 75 temporary).
`;
}

function recheckNote(code: FaultCode): string {
  return RECHECKED_FAULTS.has(code) ? ', rechecked' : '';
}
