// The target in memory, with what each of its upload sessions holds, which a real one never tells.
import type { UploadSession } from '../../src/core/object-target.ts';
import { crc32c } from '../../src/core/checksum.ts';
import { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import { fingerprint } from './fingerprint.ts';

const NEVER = new AbortController().signal;

export class WatchedTarget extends MemoryTarget {
  readonly #sessions = new Map<string, string>();

  override async openUpload(
    request: Parameters<MemoryTarget['openUpload']>[0],
    signal: AbortSignal,
  ): Promise<UploadSession> {
    const session = await super.openUpload(request, signal);
    this.#sessions.set(session.uri, fingerprint(request));
    return session;
  }

  override async sendUpload(
    request: Parameters<MemoryTarget['sendUpload']>[0],
    signal: AbortSignal,
  ): ReturnType<MemoryTarget['sendUpload']> {
    let crc = 0;
    async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const chunk of request.body) {
        crc = crc32c(chunk, crc);
        yield chunk;
      }
    }
    try {
      return await super.sendUpload({ ...request, body: counted() }, signal);
    } finally {
      const { uri } = request.session;
      this.#sessions.set(uri, `${this.#sessions.get(uri) ?? ''} ${request.startByte} ${crc}`);
    }
  }

  /** What the sessions hold that `text` names. */
  async describeSessions(text: string): Promise<string> {
    const parts = [...this.#sessions].map(async ([uri, holds]) => {
      const session = fingerprint({ uri });
      if (!text.includes(session.slice(7, -2))) return '';
      return `${session} ${holds} ${fingerprint(await this.uploadProgress({ uri }, NEVER))}`;
    });
    return (await Promise.all(parts)).join('\n');
  }
}
