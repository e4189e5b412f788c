// docs/configuration.md and .env.example, both from the table of settings.
import { RULE_FIELDS } from '../src/config/rules-file.ts';
import { SECTIONS, type Section, type Setting } from '../src/config/setting.ts';
import { type SettingName, settingNames, SETTINGS } from '../src/config/settings.ts';

const sections = Object.keys(SECTIONS).filter((name): name is Section => Object.hasOwn(SECTIONS, name));

function rowsOf(section: Section): readonly (readonly [SettingName, Setting<unknown>])[] {
  return settingNames().flatMap((name): [SettingName, Setting<unknown>][] => {
    const setting: Setting<unknown> = SETTINGS[name];
    return setting.section === section ? [[name, setting]] : [];
  });
}

/** A text as a cell of a table. */
function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('*', String.raw`\*`);
}

function sectionTable(section: Section): string {
  const rows = rowsOf(section).map(([name, setting]) => {
    const aliases = (setting.aliases ?? []).map((alias) => `\`${alias}\``).join(', ');
    const names = aliases === '' ? `\`${name}\`` : `\`${name}\` (or ${aliases})`;
    const secret = setting.isSecret === true ? ' Secret.' : '';
    return `| ${names} | ${cell(setting.defaultText)} | ${cell(setting.help)}${secret} |`;
  });
  return [`## ${SECTIONS[section]}`, '', '| setting | default | meaning |', '|---|---|---|', ...rows].join(
    '\n',
  );
}

/** The page for people who set the service up. */
export function configurationPage(): string {
  const ruleRows = Object.entries(RULE_FIELDS).map(([name, help]) => `| \`${name}\` | ${cell(help)} |`);
  return `# Configuration

This page is written by \`npm run docs\` from \`src/config/settings.ts\`; change the table there.

Settings are environment variables. A file \`.env\` in the working folder may hold them too; the real environment wins over it, and an empty value counts as not set. In \`.env\` a value with a \`#\` needs quotes around it. Every problem is reported at once, each with its fix; \`replicator config print\` shows every setting with its origin, the rules as understood, and what is wrong, without any secret. A name that begins with \`REPLICATOR_\` and is not listed here is a warning.

The platform's own variables (\`AWS_PROFILE\`, \`AWS_WEB_IDENTITY_TOKEN_FILE\`, \`GOOGLE_APPLICATION_CREDENTIALS\`, \`NODE_EXTRA_CA_CERTS\`) work as everywhere, in the real environment only. \`NODE_TLS_REJECT_UNAUTHORIZED=0\` is refused at start.

${sections.map(sectionTable).join('\n\n')}

## Secrets kept elsewhere

A setting that is marked as secret may hold a reference to where its secret is kept, instead of the secret; so may \`REPLICATOR_CONFIG\`, for the text of the rules file. References are read once, at start, before anything else. A reference is no secret itself: \`replicator config print\` and problems show it in full, and never what it led to.

| reference | kept in | needs |
|---|---|---|
| \`ssm:NAME\`, \`ssm:ARN\` | AWS Systems Manager Parameter Store, decrypted; \`ssm:NAME:VERSION\` for another than the newest version | \`ssm:GetParameter\`, and \`kms:Decrypt\` for a key of your own |
| \`aws-sm:NAME\`, \`aws-sm:ARN\` | AWS Secrets Manager, the current version; with \`#key\` behind it the text under that key of a JSON object | \`secretsmanager:GetSecretValue\`, and \`kms:Decrypt\` for a key of your own |
| \`gcp-sm:projects/P/secrets/S\` | Google Secret Manager, the latest version, or the one of \`/versions/V\` behind it; also \`projects/P/locations/L/secrets/S\` | \`secretmanager.versions.access\` (\`roles/secretmanager.secretAccessor\`) |
| \`file:PATH\` | a file, as Docker, Kubernetes and systemd mount secrets; a line break at its end is not part of it | the file readable by the process |

In \`REPLICATOR_API_KEYS\` and \`REPLICATOR_WEBHOOK_SECRETS\` every entry may be a reference of its own; in the other settings the whole value is one.

- **Credentials.** AWS is asked with \`AWS_ACCESS_KEY_ID\` and \`AWS_SECRET_ACCESS_KEY\`, and the role of \`AWS_ROLE_ARN\`, else with the platform's own credentials; Google with the key of \`GCP_SA_KEY_B64\`, \`GCP_SA_KEY\` or \`GCP_CREDENTIALS_PATH\`, else with the platform's own. Where those settings are references themselves, they are read first. AWS keys that are kept at AWS, and a Google key that is kept at Google, are read with the platform's own credentials. AWS keys at Google and a Google key at AWS at the same time are refused: neither can be read first.
- **Region.** The one in the ARN, else \`AWS_REGION\`.
- **What can go wrong** is told with all other problems, exit code 2: which setting, which reference, why (denied, missing, empty, no such key, not reachable within ten seconds after three tries), and which permission or step is missing. [iam.md](iam.md) has the statements.
- **A change** of a secret is seen at the next start.

The forwarding Lambda function holds \`REPLICATOR_API_KEY\` itself; it reads no references.

## Rules file

\`REPLICATOR_CONFIG\` names a YAML file with a list \`rules\`. Unknown fields are refused, and so are rules that could write the same object names at the target. Problems carry line and column.

\`\`\`yaml
${RULES_EXAMPLE}\`\`\`

| field of a rule | meaning |
|---|---|
${ruleRows.join('\n')}
`;
}

/** Part of the page, and read by a test, so that it stays valid. */
export const RULES_EXAMPLE = `rules:
  - name: photos
    source:
      bucket: my-source-bucket
      prefix: photos/
      suffix: .jpg
      expectedOwner: '111122223333'
    target:
      bucket: my-target-bucket
      prefix: from-aws/
      stripPrefix: photos/
      storageClass: NEARLINE
    verify: strict
  - name: reports
    source:
      bucket: my-report-bucket
    target:
      bucket: my-other-bucket
    adopt: size
    metadata: headers
`;

const REQUIRED: ReadonlySet<SettingName> = new Set(['S3_BUCKET', 'GCS_BUCKET', 'AWS_REGION']);

/** A file to copy to .env: what is required is filled with examples, the rest is commented out. */
export function envExample(): string {
  const parts = sections.map((section) => {
    const rows = rowsOf(section).map(([name, setting]) => {
      const line = `${name}=${setting.example}`;
      return `${wrapComment(setting.help)}\n${REQUIRED.has(name) ? line : `#${line}`}`;
    });
    return `# --- ${SECTIONS[section]} ---\n\n${rows.join('\n\n')}`;
  });
  return `# Copy this file to .env and fill it in. It is written by "npm run docs" from src/config/settings.ts.\n# Keep secrets out of version control: .env is ignored by git.\n\n${parts.join('\n\n')}\n`;
}

/** Lines of comment of at most 100 characters. */
function wrapComment(text: string): string {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > 100) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
