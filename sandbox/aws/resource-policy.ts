// Whether the policy of a resource lets another service of the cloud act on it for one source. Of the conditions only
// the source's ARN and account are known; a statement with any other one allows nothing here.

export interface ServiceAccess {
  /** Such as s3.amazonaws.com. */
  readonly service: string;
  /** Such as sqs:SendMessage. */
  readonly action: string;
  readonly sourceArn: string;
  readonly sourceAccount: string;
}

interface Statement {
  readonly Effect?: unknown;
  readonly Principal?: unknown;
  readonly Action?: unknown;
  readonly Condition?: unknown;
}

/** `policy` is JSON; an empty or a broken one allows nothing. */
export function policyAllows(policy: string, access: ServiceAccess): boolean {
  return statementsOf(policy).some(
    (statement) =>
      statement.Effect === 'Allow' &&
      isMeant(statement.Principal, access.service) &&
      textsOf(statement.Action).some((action) =>
        matchesPattern(action.toLowerCase(), access.action.toLowerCase()),
      ) &&
      conditionsHold(statement.Condition, access),
  );
}

function statementsOf(policy: string): Statement[] {
  try {
    const parsed: unknown = JSON.parse(policy);
    const found =
      typeof parsed === 'object' && parsed !== null && 'Statement' in parsed ? parsed.Statement : [];
    return (Array.isArray(found) ? found : [found]) as Statement[];
  } catch {
    return [];
  }
}

function isMeant(principal: unknown, service: string): boolean {
  if (principal === '*') return true;
  if (typeof principal !== 'object' || principal === null) return false;
  const { AWS: accounts, Service: services } = principal as {
    readonly AWS?: unknown;
    readonly Service?: unknown;
  };
  return textsOf(accounts).includes('*') || textsOf(services).includes(service);
}

function conditionsHold(condition: unknown, access: ServiceAccess): boolean {
  if (condition === undefined) return true;
  if (typeof condition !== 'object' || condition === null) return false;
  const known: Readonly<Record<string, string>> = {
    'aws:sourcearn': access.sourceArn,
    'aws:sourceaccount': access.sourceAccount,
  };
  return Object.values(condition as Readonly<Record<string, object>>).every((operands) =>
    Object.entries(operands).every(([key, patterns]) => {
      const value = known[key.toLowerCase()];
      return value !== undefined && textsOf(patterns).some((pattern) => matchesPattern(pattern, value));
    }),
  );
}

/** A star stands for any text. */
function matchesPattern(pattern: string, value: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(value);
}

function textsOf(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((entry) => typeof entry === 'string');
}
