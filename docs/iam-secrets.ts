// The part of docs/iam.md about settings whose secrets are kept elsewhere.

export const SECRETS_SECTION = `## Secrets kept elsewhere

Only where settings are references ([configuration.md](configuration.md#secrets-kept-elsewhere)); each permission belongs to one call.

| reference | call | permission | resource |
|---|---|---|---|
| \`ssm:\` | \`GetParameter\`, with decryption | \`ssm:GetParameter\` | \`arn:aws:ssm:REGION:ACCOUNT-ID:parameter/NAME\`; a name that begins with \`/\` has one slash there, not two |
| \`aws-sm:\` | \`GetSecretValue\` | \`secretsmanager:GetSecretValue\` | \`arn:aws:secretsmanager:REGION:ACCOUNT-ID:secret:NAME-??????\` |
| both, where a KMS key of your own encrypts them | the same calls | \`kms:Decrypt\` | the key's ARN. For the keys \`aws/ssm\` and \`aws/secretsmanager\` of the account it is not needed |
| \`gcp-sm:\` | \`projects.secrets.versions.access\` | \`secretmanager.versions.access\` | the secret |

\`\`\`json
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ReadParameters",
      "Effect": "Allow",
      "Action": "ssm:GetParameter",
      "Resource": "arn:aws:ssm:REGION:ACCOUNT-ID:parameter/replicator/*"
    },
    {
      "Sid": "ReadSecrets",
      "Effect": "Allow",
      "Action": "secretsmanager:GetSecretValue",
      "Resource": "arn:aws:secretsmanager:REGION:ACCOUNT-ID:secret:replicator/*"
    },
    {
      "Sid": "DecryptSecrets",
      "Effect": "Allow",
      "Action": "kms:Decrypt",
      "Resource": "arn:aws:kms:REGION:ACCOUNT-ID:key/KEY-ID",
      "Condition": {
        "StringEquals": {
          "kms:ViaService": ["ssm.REGION.amazonaws.com", "secretsmanager.REGION.amazonaws.com"]
        }
      }
    }
  ]
}
\`\`\`

\`\`\`sh
gcloud secrets add-iam-policy-binding SECRET --project=PROJECT \\
  --member=serviceAccount:NAME@PROJECT.iam.gserviceaccount.com --role=roles/secretmanager.secretAccessor
\`\`\``;
