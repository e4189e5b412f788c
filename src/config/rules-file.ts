// The YAML file of rules (REPLICATOR_CONFIG). Every problem is reported with its line; unknown fields are refused,
// because a field that is silently ignored changes what is replicated.
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import type { BrakeLimits } from '../core/delete-brake.ts';
import type { Rule } from '../core/rule.ts';
import type { Findings } from './findings.ts';
import { nearestName } from '../core/nearest-name.ts';
import { showFound } from './problem.ts';
import type { PlacedRule, RuleDefaults } from './rules.ts';
import {
  accountId,
  choice,
  keyPart,
  type Parse,
  plainText,
  refuse,
  sourceBucket,
  targetBucket,
} from './setting-parsers.ts';
import {
  parseAdopt,
  parseBrakeCount,
  parseBrakeShare,
  parseBrakeWindow,
  parseDeletes,
  parseVerify,
} from './settings.ts';

const ruleName: Parse<string> = (text) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)
    ? plainText(text)
    : refuse('is not a rule name', 'use up to 63 letters, digits, dots, hyphens and underscores');

const sourceBucketOrAll: Parse<string> = (text) => (text === '*' ? plainText(text) : sourceBucket(text));

const storageClass = choice(['standard', 'nearline', 'coldline', 'archive']);

const kmsKeyName: Parse<string> = (text) =>
  /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/.test(text)
    ? plainText(text)
    : refuse(
        'is not the name of a KMS key',
        'write projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY',
      );

/** The fields of a rule, for the documentation as well. */
export const RULE_FIELDS = {
  name: 'Name of the rule, for people, filters and metrics. Required; each name once.',
  source: 'bucket (required; a name or *), prefix, suffix, expectedOwner (account id, in quotes).',
  target:
    'bucket (required), prefix (put before the key), stripPrefix (taken from the start of the key; source.prefix must begin with it), storageClass (STANDARD, NEARLINE, COLDLINE, ARCHIVE), kmsKeyName.',
  deletes: 'ignore or mirror (needs source.expectedOwner). Default: DELETES.',
  deleteBrake:
    'count, sharePercent, windowSec: the limits of mirrored deletes of this rule. Default: DELETE_BRAKE_COUNT, DELETE_BRAKE_SHARE, DELETE_BRAKE_WINDOW_SEC.',
  adopt: 'checksum, size or never. Default: ADOPT.',
  verify: 'transfer, source or strict. Default: VERIFY.',
  metadata: 'all (content headers and user metadata) or headers. Default: all.',
} as const;

const SOURCE_FIELDS = ['bucket', 'prefix', 'suffix', 'expectedOwner'] as const;
const BRAKE_FIELDS = ['count', 'sharePercent', 'windowSec'] as const;
const TARGET_FIELDS = ['bucket', 'prefix', 'stripPrefix', 'storageClass', 'kmsKeyName'] as const;

/**
 * Reads the rules of the file. `path` names it in problems. A rule with a problem is left out of the answer, so that
 * no problem follows from another.
 */
export function readRulesFile(
  path: string,
  text: string,
  defaults: RuleDefaults,
  findings: Findings,
): PlacedRule[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const placeOf = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  for (const error of document.errors)
    findings.refuse(placeOf(error.pos[0]), null, `is not YAML: ${error.message}`, 'correct this line');
  if (document.errors.length > 0) return [];

  const refuseAt = (node: Node | null, found: string | null, reason: string, fix: string): void =>
    findings.refuse(placeOf(node?.range?.[0] ?? 0), found, reason, fix);
  const resolve = (value: unknown): Node | null => {
    if (isAlias(value)) return value.resolve(document) ?? null;
    return isMap(value) || isSeq(value) || isScalar(value) ? value : null;
  };
  const reader = new FieldReader(resolve, refuseAt);
  const contents = resolve(document.contents);
  if (!isMap(contents)) {
    const reason =
      contents === null || isEmpty(contents)
        ? 'the file is empty'
        : `the file is not a mapping: it holds ${isSeq(contents) ? 'a list' : 'a single value'}`;
    refuseAt(contents, null, reason, 'write rules: and below it, indented, - name: ...');
    return [];
  }
  const list = reader.map(contents, 'the file', ['rules'], null)?.get('rules') ?? null;
  if (!isSeq(list) || list.items.length === 0) {
    refuseAt(
      list,
      null,
      'rules is not a list with at least one rule',
      'write rules: and below it - name: ...',
    );
    return [];
  }
  return list.items.flatMap((item) => {
    const node = resolve(item);
    const rule = readRule(reader, node, defaults);
    return rule === null ? [] : [{ rule, place: placeOf(node?.range?.[0] ?? 0) }];
  });
}

function readRule(reader: FieldReader, node: Node | null, defaults: RuleDefaults): Rule | null {
  const before = reader.problemCount;
  const fields = reader.map(node, 'a rule', Object.keys(RULE_FIELDS), null);
  if (fields === null) return null;
  const source = reader.map(fields.get('source') ?? null, 'source', SOURCE_FIELDS, node);
  const target = reader.map(fields.get('target') ?? null, 'target', TARGET_FIELDS, node);
  const name = reader.required(fields, 'name', ruleName, node);
  const deletes = reader.optional(fields, 'deletes', parseDeletes) ?? defaults.deletes;
  const deleteBrake = readBrake(reader, fields.get('deleteBrake') ?? null, defaults.deleteBrake);
  const adopt = reader.optional(fields, 'adopt', parseAdopt) ?? defaults.adopt;
  const verify = reader.optional(fields, 'verify', parseVerify) ?? defaults.verify;
  const metadata = reader.optional(fields, 'metadata', choice(['all', 'headers'])) ?? 'all';
  if (source === null || target === null) return null;
  const bucket = reader.required(source, 'bucket', sourceBucketOrAll, node);
  const into = reader.required(target, 'bucket', targetBucket, node);
  const rule: Rule = {
    name: name ?? '',
    source: {
      bucket: bucket ?? '',
      prefix: reader.optional(source, 'prefix', keyPart) ?? '',
      suffix: reader.optional(source, 'suffix', keyPart) ?? '',
      expectedOwner: reader.optional(source, 'expectedOwner', accountId) ?? defaults.expectedOwner,
    },
    target: {
      bucket: into ?? '',
      prefix: reader.optional(target, 'prefix', keyPart) ?? '',
      stripPrefix: reader.optional(target, 'stripPrefix', keyPart) ?? '',
      prependBucket: bucket === '*',
      storageClass: reader.optional(target, 'storageClass', storageClass)?.toUpperCase() ?? null,
      kmsKeyName: reader.optional(target, 'kmsKeyName', kmsKeyName),
    },
    deletes,
    deleteBrake,
    adopt,
    verify,
    metadata,
  };
  return reader.problemCount === before ? rule : null;
}

function readBrake(reader: FieldReader, node: Node | null, defaults: BrakeLimits): BrakeLimits {
  if (node === null || isEmpty(node)) return defaults;
  const fields = reader.map(node, 'deleteBrake', BRAKE_FIELDS, null);
  if (fields === null) return defaults;
  return {
    count: reader.optionalNumber(fields, 'count', parseBrakeCount) ?? defaults.count,
    sharePercent: reader.optionalNumber(fields, 'sharePercent', parseBrakeShare) ?? defaults.sharePercent,
    windowMs: reader.optionalNumber(fields, 'windowSec', parseBrakeWindow) ?? defaults.windowMs,
  };
}

type RefuseAt = (node: Node | null, found: string | null, reason: string, fix: string) => void;
type Fields = ReadonlyMap<string, Node | null>;

/** Reads maps and fields of the document and counts what it had to refuse. */
class FieldReader {
  readonly #resolve: (value: unknown) => Node | null;
  readonly #refuseAt: RefuseAt;
  #problemCount = 0;

  constructor(resolve: (value: unknown) => Node | null, refuseAt: RefuseAt) {
    this.#resolve = resolve;
    this.#refuseAt = refuseAt;
  }

  get problemCount(): number {
    return this.#problemCount;
  }

  /** The fields of a map; null, with the problem told at `node` or else `parent`, where it is none. */
  map(node: Node | null, what: string, known: readonly string[], parent: Node | null): Fields | null {
    if (!isMap(node)) {
      const reason = node === null ? `${what} is missing` : `${what} is not a mapping of fields`;
      this.#refuse(node ?? parent, null, reason, `write the fields of ${what}: ${known.join(', ')}`);
      return null;
    }
    const fields = new Map<string, Node | null>();
    for (const pair of node.items) {
      const keyNode = this.#resolve(pair.key);
      const key = isScalar(keyNode) ? String(keyNode.value) : '';
      if (known.includes(key)) {
        fields.set(key, this.#resolve(pair.value));
        continue;
      }
      const nearest = nearestName(key, known);
      const hint = nearest === null ? '' : `; did you mean ${nearest}?`;
      this.#refuse(
        keyNode ?? node,
        showFound(key, false),
        `${what} has no field of this name${hint}`,
        `known fields: ${known.join(', ')}`,
      );
    }
    return fields;
  }

  /** The value of a field; null where it is missing or wrong, which is told. */
  required<T>(fields: Fields, name: string, parse: Parse<T>, parent: Node | null): T | null {
    const node = fields.get(name) ?? null;
    if (node !== null && !isEmpty(node)) return this.optional(fields, name, parse);
    this.#refuse(parent, null, `${name} is missing`, `add ${name}`);
    return null;
  }

  /** The value of a field; null where it is missing or empty, or wrong, which is told. */
  optional<T>(fields: Fields, name: string, parse: Parse<T>): T | null {
    const node = fields.get(name) ?? null;
    if (node === null || isEmpty(node)) return null;
    if (!isScalar(node) || typeof node.value !== 'string') {
      this.#refuse(node, null, `${name} is not a text`, 'write one text; put numbers in quotes');
      return null;
    }
    return this.#parsed(node, name, node.value, parse);
  }

  /** As `optional`, of a number, in quotes or not. */
  optionalNumber(fields: Fields, name: string, parse: Parse<number>): number | null {
    const node = fields.get(name) ?? null;
    if (node === null || isEmpty(node)) return null;
    if (!isScalar(node) || (typeof node.value !== 'number' && typeof node.value !== 'string')) {
      this.#refuse(node, null, `${name} is not a number`, 'write one number');
      return null;
    }
    return this.#parsed(node, name, String(node.value), parse);
  }

  #parsed<T>(node: Node, name: string, text: string, parse: Parse<T>): T | null {
    const parsed = parse(text);
    if (parsed.ok) return parsed.value;
    this.#refuse(node, showFound(text, false), `${name} ${parsed.reason}`, parsed.fix);
    return null;
  }

  #refuse(node: Node | null, found: string | null, reason: string, fix: string): void {
    this.#problemCount += 1;
    this.#refuseAt(node, found, reason, fix);
  }
}

/** `name:` with nothing behind it. */
function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null;
}
