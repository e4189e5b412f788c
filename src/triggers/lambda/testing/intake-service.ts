// A stand-in for the service's intake over real HTTP: it takes, refuses or cuts what is posted, and remembers it.
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';

export interface PostedDocument {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The records of the document; the document itself where it is none of several. */
  readonly records: readonly unknown[];
}

export interface IntakeService {
  readonly url: string;
  readonly posts: readonly PostedDocument[];
}

/** No answer: the connection is cut (0) or stays silent (null). */
type Verdict = number | null;

/** Answers each document with the status that `judge` finds; a 202 accounts for every record as accepted. */
export async function startIntakeService(
  t: TestContext,
  judge: (post: PostedDocument, nth: number) => Verdict = () => 202,
): Promise<IntakeService> {
  const posts: PostedDocument[] = [];
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const bytes = await buffer(req);
    const document = JSON.parse(bytes.toString()) as { readonly Records?: readonly unknown[] };
    const records = document.Records ?? [document];
    const post = { path: req.url ?? '', headers: req.headers, bytes, records };
    posts.push(post);
    const status = judge(post, posts.length);
    if (status === null) return;
    if (status === 0) return void res.destroy();
    const taken = { accepted: records.length, ignored: 0, quarantined: 0, transfers: records };
    const problem = { code: 'refused', detail: `because of ${records.length} records` };
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(status === 202 ? taken : problem));
  };
  return { url: await listen(t, (req, res) => void answer(req, res)), posts };
}

/** Answers with `listener` for as long as the test runs; the base address. */
export async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The bodies of the messages of an SQS batch. */
export function bodiesOf({ records }: PostedDocument): readonly string[] {
  return records.map((record) => (record as { readonly body: string }).body);
}
