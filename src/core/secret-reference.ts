// A setting may say where its secret is kept instead of holding it. A reference is no secret: it is shown in full.

export type SecretPlace = 'ssm' | 'aws-sm' | 'gcp-sm' | 'file';

export interface SecretReference {
  readonly place: SecretPlace;
  /** As the place wants it: a name or ARN at AWS, `projects/P/secrets/S/versions/V` at Google, a path. */
  readonly name: string;
  /** AWS region or Google location, where the name tells it; null where the settings have to. */
  readonly region: string | null;
  /** The field of a secret that is a JSON object; null for the whole secret. */
  readonly jsonKey: string | null;
}

type ParsedReference =
  | { readonly ok: true; readonly reference: SecretReference }
  | { readonly ok: false; readonly reason: string; readonly fix: string };

const PREFIX = /^(ssm|aws-sm|gcp-sm|file):/;

/** True where the text says of itself that it is a reference, also where it is a malformed one. */
export function isSecretReference(text: string): boolean {
  return PREFIX.test(text);
}

/** Reads a text that is a reference; null for any other text. Spaces at its ends are not part of it. */
export function parseSecretReference(text: string): ParsedReference | null {
  const place = PREFIX.exec(text)?.[1];
  if (place === undefined) return null;
  const rest = text.slice(place.length + 1).trim();
  switch (place) {
    case 'ssm':
      return parameter(rest);
    case 'aws-sm':
      return managedSecret(rest);
    case 'gcp-sm':
      return googleSecret(rest);
    default:
      return rest === ''
        ? refuse('names no file', 'write the path behind file:, such as file:/run/secrets/name')
        : accept({ place: 'file', name: rest, region: null, jsonKey: null });
  }
}

const SSM_ARN = /^arn:aws[a-z-]*:ssm:([a-z0-9-]+):\d{12}:parameter\/[\w./-]{1,1011}(?::[\w.-]+)?$/;
/** Behind the colon a version or a label. */
const SSM_NAME = /^[\w./-]{1,1011}(?::[\w.-]+)?$/;

function parameter(name: string): ParsedReference {
  const region = SSM_ARN.exec(name)?.[1] ?? null;
  if (region === null && !SSM_NAME.test(name))
    return refuse(
      'is not the name of a parameter',
      'write ssm: and the name or ARN of a parameter, such as ssm:/replicator/api-keys',
    );
  return accept({ place: 'ssm', name, region, jsonKey: null });
}

const SECRET_ARN = /^arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d{12}:secret:[\w/+=.@!-]{1,512}$/;
const SECRET_NAME = /^[\w/+=.@!-]{1,512}$/;

function managedSecret(text: string): ParsedReference {
  const hash = text.indexOf('#');
  const name = hash === -1 ? text : text.slice(0, hash);
  const jsonKey = hash === -1 ? null : text.slice(hash + 1);
  const region = SECRET_ARN.exec(name)?.[1] ?? null;
  const fix =
    'write aws-sm: and the name or ARN of a secret, with #key for one field of it, such as aws-sm:replicator#apiKeys';
  if (region === null && !SECRET_NAME.test(name)) return refuse('is not the name of a secret', fix);
  if (jsonKey === '') return refuse('has no field behind #', fix);
  return accept({ place: 'aws-sm', name, region, jsonKey });
}

const GOOGLE_SECRET =
  /^(projects\/[a-z0-9.:-]+\/(?:locations\/([a-z0-9-]+)\/)?secrets\/[\w-]{1,255})(\/versions\/[\w-]{1,63})?$/;

function googleSecret(text: string): ParsedReference {
  const match = GOOGLE_SECRET.exec(text);
  if (match === null)
    return refuse(
      'is not the name of a secret at Google',
      'write gcp-sm:projects/PROJECT/secrets/SECRET, with /versions/VERSION for another one than the latest',
    );
  const [, secret = '', location, version = '/versions/latest'] = match;
  return accept({ place: 'gcp-sm', name: secret + version, region: location ?? null, jsonKey: null });
}

function accept(reference: SecretReference): ParsedReference {
  return { ok: true, reference };
}

function refuse(reason: string, fix: string): ParsedReference {
  return { ok: false, reason, fix };
}
