// The folder of the image with its packages installed from the registry, by the letter of the Dockerfile: what the lock
// file says is enough, and no development package is needed.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeImageFolder } from '../deploy/image-folder.ts';
import { useImage } from '../deploy/use-image.ts';

test('what the Dockerfile installs runs the service, its health check and its command', async (t) => {
  const folder = makeImageFolder('npm');
  t.after(() => rmSync(dirname(folder), { recursive: true, force: true }));
  assert.ok(
    !existsSync(join(folder, 'app/node_modules/node')),
    'Node comes with the image, not as a package',
  );
  await useImage(t, folder);
});
