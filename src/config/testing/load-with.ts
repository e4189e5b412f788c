// The configuration of a machine without anything special: two buckets, a region, and what a test sets.
import { loadConfig, type LoadedConfig } from '../load-config.ts';

/** What `env` comes to beside the least that has to be set. */
export function loadWith(env: Readonly<Record<string, string>>): LoadedConfig {
  return loadConfig({
    env: { S3_BUCKET: 'aaa', GCS_BUCKET: 'bbb', AWS_REGION: 'eu-central-1', ...env },
    envFileText: null,
    readFile: () => '',
    memoryBytes: 2 ** 31,
    isTerminal: false,
  });
}
