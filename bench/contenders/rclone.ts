// rclone, the newest one, from the stand-in S3 to the stand-in GCS with as many transfers as the product may have.
// It is built from its release into the cache folder of the interop runs.
import { join } from 'node:path';
import { installGoProgram } from '../../test/interop/install.ts';
import type { Contender, Measurement, Setting } from '../measurement.ts';
import { callsOfAll, startStandIns } from '../stand-in-process.ts';
import { measureProcess } from './copying-process.ts';
import { installedContender } from './installed-contender.ts';

const RCLONE = { name: 'rclone', version: '1.76.0', module: 'github.com/rclone/rclone' };

export function rclone(): Contender {
  return installedContender({
    name: `rclone ${RCLONE.version}`,
    install: (tell) => installGoProgram(RCLONE, tell),
    measure: (setting, folder) => measure(setting, join(folder, RCLONE.name)),
  });
}

async function measure(setting: Setting, command: string): Promise<Measurement> {
  const clouds = await startStandIns(setting);
  try {
    const { concurrency } = setting.workload;
    const source =
      `:s3,provider=Other,access_key_id=AKIABENCH,secret_access_key=bench,region=us-east-1,` +
      `endpoint="${clouds.s3Url}",force_path_style=true,list_version=2:from-here`;
    const target =
      `:gcs,anonymous=true,bucket_policy_only=true,no_check_bucket=true,` +
      `endpoint="${clouds.gcsUrl}/storage/v1/":to-there`;
    const figures = await measureProcess({
      command,
      args: [
        'copy',
        source,
        target,
        '--config=',
        `--transfers=${concurrency}`,
        `--checkers=${concurrency}`,
        // One list of everything, not one for each folder.
        '--fast-list',
        '--use-server-modtime',
        '--stats=0',
        '--retries=1',
        ...(clouds.certificatePath === null ? [] : [`--ca-cert=${clouds.certificatePath}`]),
      ],
    });
    return { ...figures, calls: await callsOfAll(clouds, setting) };
  } finally {
    await clouds.stop();
  }
}
