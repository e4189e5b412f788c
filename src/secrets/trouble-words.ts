// What keeps a referenced secret from being read, in words a person can act on: the reason, and the fix with the exact
// permission. Nothing here repeats a secret.
import { maskSecretShapes } from '../core/secret-shapes.ts';
import type { SecretTrouble } from '../core/secret-reader.ts';
import type { SecretPlace, SecretReference } from '../core/secret-reference.ts';

export interface Words {
  readonly reason: string;
  readonly fix: string;
}

interface PlaceWords {
  readonly noun: string;
  /** Who keeps it, as a subject. */
  readonly keeper: string;
  readonly permission: string;
  readonly credentials: string;
  readonly network: string;
}

const PLACES: Readonly<Record<SecretPlace, PlaceWords>> = {
  ssm: {
    noun: 'parameter',
    keeper: 'AWS Systems Manager',
    permission: 'ssm:GetParameter',
    credentials:
      'give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may read it',
    network: 'open the way to it (in a VPC without internet: an endpoint for ssm), and start again',
  },
  'aws-sm': {
    noun: 'secret',
    keeper: 'AWS Secrets Manager',
    permission: 'secretsmanager:GetSecretValue',
    credentials:
      'give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may read it',
    network:
      'open the way to it (in a VPC without internet: an endpoint for secretsmanager), and start again',
  },
  'gcp-sm': {
    noun: 'secret',
    keeper: 'Google Secret Manager',
    permission: 'secretmanager.versions.access (roles/secretmanager.secretAccessor)',
    credentials:
      'run it where Google gives credentials, or set GCP_SA_KEY_B64, GCP_SA_KEY or GCP_CREDENTIALS_PATH to a key that may read it',
    network: 'open the way to it, and start again',
  },
  file: {
    noun: 'file',
    keeper: 'the file system',
    permission: 'reading',
    credentials: '',
    network: '',
  },
};

/** Why the secret of a reference cannot be had. `region`: where it was looked for; null where that is not a question. */
export function troubleWords(
  trouble: SecretTrouble,
  reference: SecretReference,
  region: string | null,
): Words {
  const { noun, keeper, permission, credentials, network } = PLACES[reference.place];
  const detail = trouble.detail === '' ? '' : ` (${cleaned(trouble.detail)})`;
  const where = region === null ? '' : ` in ${region}`;
  const words = (reason: string, fix: string): Words => ({ reason: reason + detail, fix });
  switch (trouble.kind) {
    case 'denied':
      if (reference.place === 'file')
        return words('names a file that this process may not read', 'let the user of the process read it');
      return words(
        `names a ${noun} that these credentials may not read`,
        `allow ${permission} on ${reference.name}${where} to the credentials of this process, and check the name`,
      );
    case 'key_denied':
      return words(
        `names a ${noun} whose encryption key these credentials may not use`,
        `allow kms:Decrypt on the key of the ${noun}, in its own key policy too`,
      );
    case 'missing':
      return words(
        `names a ${noun} that does not exist${where}`,
        reference.place === 'file'
          ? 'correct the path; a relative one starts at the working folder'
          : `create it${where}, or correct the name${region === null ? '' : ' or the region'}`,
      );
    case 'disabled':
      return words(
        `names a ${noun} that cannot be used`,
        'enable or restore it, or name another version or another one',
      );
    case 'service_off':
      return words(
        `cannot be read: ${keeper} is not switched on in this project`,
        'gcloud services enable secretmanager.googleapis.com --project=PROJECT',
      );
    case 'no_credentials':
      return words(`cannot be read: there are no credentials for ${keeper}`, credentials);
    case 'credentials_refused':
      return words(`cannot be read: ${keeper} refuses the credentials of this process`, credentials);
    case 'no_region':
      return words(
        'cannot be read: nothing says in which region it is',
        'set AWS_REGION, or write the whole ARN in the reference',
      );
    case 'unreachable':
      return words(`cannot be read: ${keeper} cannot be reached${where}`, network);
    case 'not_text':
      return words(`names a ${noun} that holds bytes instead of text`, `store it as text`);
    case 'damaged':
      return words(
        `cannot be read: what ${keeper} sent arrived changed`,
        'look at what stands between, and start again',
      );
    case 'refused':
      return words(`cannot be read: ${keeper} refuses the request`, `check the name of the ${noun}`);
  }
}

/** The secret was read and nothing is in it. */
export function emptyWords({ place }: SecretReference): Words {
  return { reason: `names a ${PLACES[place].noun} that is empty`, fix: 'put the value into it' };
}

/** The field of a reference is not in what was read. */
export function fieldWords({ jsonKey }: SecretReference, problem: 'no_json' | 'no_key' | 'no_text'): Words {
  const key = JSON.stringify(jsonKey);
  switch (problem) {
    case 'no_json':
      return {
        reason: `names the field ${key} of a secret that is not a JSON object`,
        fix: 'store it as a JSON object, or leave #... away to use the whole secret',
      };
    case 'no_key':
      return {
        reason: `names the field ${key}, which the secret does not have`,
        fix: 'add the field to the secret, or correct the name behind #; capitals count',
      };
    case 'no_text':
      return {
        reason: `names the field ${key}, which holds no text`,
        fix: 'store the value of the field as text, in quotes',
      };
  }
}

function cleaned(detail: string): string {
  const line = detail.replaceAll(/\s+/g, ' ').trim().replace(/\.$/, '');
  return maskSecretShapes(line.length > 300 ? `${line.slice(0, 300)}...` : line, '[secret]');
}
