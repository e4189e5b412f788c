// One POST over node:http or node:https, nothing followed, nothing retried: who calls decides what an answer means.
import { Buffer } from 'node:buffer';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

interface DocumentRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds for everything: name lookup, connection, sending and the whole answer. */
  readonly timeoutMs: number;
}

export interface DocumentAnswer {
  readonly status: number;
  /** Where a redirect points; null where the answer names no place. */
  readonly location: string | null;
  readonly body: string;
}

/** Sends a document and resolves with the whole answer, whatever its status. Rejects where none came. */
export type SendDocument = (request: DocumentRequest) => Promise<DocumentAnswer>;

/** No whole answer came in time. Whether the service took the document is unknown. */
export class AnswerTimeout extends Error {
  override readonly name = 'AnswerTimeout';
}

/** The largest batch that Lambda passes gives an answer well below this. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** The sender used outside of tests. A function that slept wakes with dead sockets, so every call connects anew. */
export const sendDocument: SendDocument = async ({ url, headers, body, timeoutMs }) => {
  const bytes = Buffer.from(body, 'utf8');
  const startRequest = url.startsWith('https:') ? requestHttps : requestHttp;
  const request = startRequest(url, {
    method: 'POST',
    agent: false,
    headers: { ...headers, 'content-length': bytes.length, 'accept-encoding': 'identity' },
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    request.destroy();
  }, timeoutMs);
  try {
    request.end(bytes);
    const response = await firstAnswer(request);
    return {
      status: response.statusCode ?? 0,
      location: response.headers.location ?? null,
      body: await readAnswer(response),
    };
  } catch (error) {
    if (!isLate) throw error;
    throw new AnswerTimeout(`no answer within ${timeoutMs} ms`, { cause: error });
  } finally {
    clearTimeout(timer);
    request.destroy();
  }
};

async function firstAnswer(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    // Stays for the request's whole life: an error after the answer is told by the answer's own stream.
    request.on('error', reject);
  });
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
