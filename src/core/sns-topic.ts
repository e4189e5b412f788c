// What the name of a topic of Amazon SNS tells: its region, and the one host that speaks for it.

/** A standard topic; its ARN is the whole name. */
const TOPIC = /^arn:(aws[a-z-]*):sns:([a-z0-9-]{1,40}):\d{12}:[A-Za-z0-9_-]{1,256}$/;

/** The domains of the parts of AWS that this service knows. */
const DOMAINS: ReadonlyMap<string, string> = new Map([
  ['aws', 'amazonaws.com'],
  ['aws-us-gov', 'amazonaws.com'],
  ['aws-cn', 'amazonaws.com.cn'],
]);

export interface SnsTopic {
  readonly region: string;
  /** What stands behind the region in names of hosts. */
  readonly domain: string;
  /** The host of SNS in the topic's region: certificates and confirmations come from nowhere else. */
  readonly host: string;
}

/** Reads the ARN of a standard topic; null where it is none, or of a part of AWS that is not known here. */
export function readTopicArn(arn: string): SnsTopic | null {
  const [, partition = '', region = ''] = TOPIC.exec(arn) ?? [];
  const domain = DOMAINS.get(partition);
  return domain === undefined ? null : { region, domain, host: `sns.${region}.${domain}` };
}
