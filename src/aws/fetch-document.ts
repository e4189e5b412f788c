// GET of one small text over node:https, the certificate of the server checked as Node does it. Nothing is followed,
// nothing is kept: what the address may be is decided by the caller.
import { once } from 'node:events';
import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import type { FetchDocument } from '../core/fetch-document.ts';

/** The driver used outside of tests. Plain http works as well: the caller has decided that the address may have it. */
export const fetchDocument: FetchDocument = async ({ url, maxBytes, timeoutMs }) => {
  const get = url.startsWith('https:') ? getHttps : getHttp;
  const request = get(url, { agent: false, headers: { 'accept-encoding': 'identity' } });
  // What comes after the answer has begun is told by the answer itself.
  request.on('error', () => {});
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    request.destroy();
  }, timeoutMs);
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const status = response.statusCode ?? 0;
    return { status, text: status === 200 ? await readText(response, maxBytes) : '' };
  } catch (error) {
    throw isLate ? new Error(`no whole answer within ${timeoutMs} ms`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
    request.destroy();
  }
};

async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  let text = '';
  let sizeBytes = 0;
  const decoder = new TextDecoder();
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
