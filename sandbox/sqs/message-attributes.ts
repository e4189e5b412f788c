// The attributes that a sender gave its message: which of them a receiver asked for, and the digest clients check.
import { createHash } from 'node:crypto';
import { type Fields, isFields, optionalText } from './request-fields.ts';
import { SqsError } from './sqs-errors.ts';

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  /** Base64. */
  readonly BinaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** The attributes of a request's message; at most ten. */
export function readMessageAttributes(fields: Fields): MessageAttributes {
  const value = fields['MessageAttributes'];
  if (value === undefined || value === null) return {};
  const entries = Object.entries(isFields(value) ? value : {});
  if (entries.length > 10)
    throw new SqsError(
      'InvalidParameterValue',
      `Number of message attributes [${entries.length}] exceeds the allowed maximum [10].`,
    );
  return Object.fromEntries(entries.map(([name, attribute]) => [name, readAttribute(name, attribute)]));
}

function readAttribute(name: string, value: unknown): MessageAttribute {
  const fields = isFields(value) ? value : {};
  const dataType = optionalText(fields, 'DataType') ?? '';
  const isBinary = dataType.startsWith('Binary');
  const content = optionalText(fields, isBinary ? 'BinaryValue' : 'StringValue') ?? '';
  if (!/^(String|Number|Binary)(\.|$)/.test(dataType))
    throw new SqsError(
      'InvalidParameterValue',
      `The type of message (user) attribute '${name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String.`,
    );
  if (content === '')
    throw new SqsError(
      'InvalidParameterValue',
      `Message (user) attribute '${name}' must contain a non-empty value of type '${isBinary ? 'Binary' : 'String'}'.`,
    );
  return isBinary
    ? { DataType: dataType, BinaryValue: content }
    : { DataType: dataType, StringValue: content };
}

/** Those that a receiver asked for: by name, by `prefix.*`, or all of them by `All` or `.*`. */
export function chosenAttributes(attributes: MessageAttributes, asked: readonly string[]): MessageAttributes {
  const isAsked = (name: string): boolean =>
    asked.some(
      (want) =>
        want === 'All' ||
        want === '.*' ||
        want === name ||
        (want.endsWith('.*') && name.startsWith(want.slice(0, -2))),
    );
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => isAsked(name)));
}

/** How many bytes they count towards the size of a message. */
export function attributesSizeBytes(attributes: MessageAttributes): number {
  return Object.entries(attributes).reduce(
    (sum, [name, attribute]) =>
      sum + Buffer.byteLength(name + attribute.DataType) + contentOf(attribute).length,
    0,
  );
}

/** The MD5 by which clients check them; null where there are none. */
export function attributesMd5(attributes: MessageAttributes): string | null {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return null;
  const md5 = createHash('md5');
  for (const name of names) {
    const attribute = attributes[name];
    if (attribute === undefined) continue;
    for (const part of [Buffer.from(name), Buffer.from(attribute.DataType)])
      md5.update(lengthOf(part)).update(part);
    const content = contentOf(attribute);
    md5
      .update(Buffer.from([attribute.BinaryValue === undefined ? 1 : 2]))
      .update(lengthOf(content))
      .update(content);
  }
  return md5.digest('hex');
}

function contentOf(attribute: MessageAttribute): Buffer {
  return attribute.BinaryValue === undefined
    ? Buffer.from(attribute.StringValue ?? '')
    : Buffer.from(attribute.BinaryValue, 'base64');
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}
