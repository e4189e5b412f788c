// The links between the documents lead to a file that exists and to a heading that it has.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..');

/** A heading as the name that links use: small letters, words joined by hyphens, other signs left out. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return text
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '');
}

test('every link between the documents leads to a file and a heading that are there', () => {
  const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT });
  assert.ok(documents.length > 20);
  const anchors = new Map(
    documents.map((path) => {
      const headings = withoutCode(readFileSync(join(ROOT, path), 'utf8')).matchAll(/^#+ (.+)$/gm);
      return [path, new Set([...headings].map(([, heading = '']) => anchorOf(heading)))];
    }),
  );
  const broken = documents.flatMap((path) => {
    const text = withoutCode(readFileSync(join(ROOT, path), 'utf8'));
    return [...text.matchAll(/\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].flatMap(
      ([whole, file = '', anchor]) => {
        const target = file === '' ? path : join(dirname(path), file);
        const isThere = existsSync(join(ROOT, target));
        const hasHeading = anchor === undefined || anchors.get(target)?.has(anchor) === true;
        return isThere && hasHeading ? [] : [`${path}: ${whole.slice(2, -1)}`];
      },
    );
  });
  assert.deepEqual(broken, []);
});
