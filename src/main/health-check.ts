// What a container runs to learn whether the service beside it lives: exit code 0 or 1, and a word on why.
const url = `http://127.0.0.1:${process.env['PORT'] || '8080'}/healthz`;
try {
  const { status } = await fetch(url, { signal: AbortSignal.timeout(4000) });
  if (status !== 200) throw new Error(`status ${status}`);
} catch (error) {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  process.stdout.write(`${url} does not answer: ${String(cause)}\n`);
  process.exitCode = 1;
}
