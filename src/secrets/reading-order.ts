// In which order references are read. A place needs credentials, and they may be referenced themselves: they come
// first then. Keys of a place that are kept in that very place cannot open it; the platform's own credentials do.
import type { SecretPlace } from '../core/secret-reference.ts';

export type Cloud = 'aws' | 'google';

export interface OrderedReference {
  readonly setting: string;
  readonly text: string;
  readonly reference: { readonly place: SecretPlace };
}

/** Settings that are the credentials of a cloud. */
const KEY_SETTINGS: Readonly<Record<Cloud, readonly string[]>> = {
  aws: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
  google: ['GCP_SA_KEY_B64', 'GCP_SA_KEY'],
};

/** Whose credentials read a place; null for files, which need none. */
function cloudOf(place: SecretPlace): Cloud | null {
  if (place === 'file') return null;
  return place === 'gcp-sm' ? 'google' : 'aws';
}

export interface ReadingOrder<Reference> {
  /** Each can be read when those before it were. */
  readonly waves: readonly (readonly Reference[])[];
  /** Each cloud's credentials are kept in the other: none of these can be read. */
  readonly circular: readonly Reference[];
  /** Clouds whose given keys cannot be used for reading, because they are kept there. */
  readonly platformOnly: ReadonlySet<Cloud>;
  /** The references that are the credentials of a cloud and have to be read before it is asked. */
  readonly keysOf: Readonly<Record<Cloud, readonly Reference[]>>;
}

/** The order for those references that `isWanted`, and for whatever has to be read for them. */
export function readingOrder<Reference extends OrderedReference>(
  all: readonly Reference[],
  isWanted: (reference: Reference) => boolean,
): ReadingOrder<Reference> {
  const platformOnly = new Set<Cloud>();
  const keysFor = (cloud: Cloud): readonly Reference[] => {
    const keys = all.filter(({ setting }) => KEY_SETTINGS[cloud].includes(setting));
    if (!keys.some((key) => cloudOf(key.reference.place) === cloud)) return keys;
    platformOnly.add(cloud);
    return [];
  };
  const keysOf = { aws: keysFor('aws'), google: keysFor('google') };
  const needs = (cloud: Cloud, other: Cloud): boolean =>
    keysOf[cloud].some((key) => cloudOf(key.reference.place) === other);

  const wanted = new Set(all.filter(isWanted));
  // A set shows to its iteration what was added meanwhile.
  for (const { reference } of wanted) {
    const cloud = cloudOf(reference.place);
    if (cloud !== null) for (const key of keysOf[cloud]) wanted.add(key);
  }
  const inCloud = (cloud: Cloud | null): readonly Reference[] =>
    [...wanted].filter(({ reference }) => cloudOf(reference.place) === cloud);
  const files = inCloud(null);
  const [aws, google] = [inCloud('aws'), inCloud('google')];
  if (needs('aws', 'google') && needs('google', 'aws'))
    return { waves: [files], circular: [...aws, ...google], platformOnly, keysOf };
  const clouds = needs('aws', 'google')
    ? [google, aws]
    : needs('google', 'aws')
      ? [aws, google]
      : [[...aws, ...google]];
  return { waves: [files, ...clouds], circular: [], platformOnly, keysOf };
}
