// Which source buckets have, or had, versions, as far as any answer has told: only in those, and where deletes are
// mirrored, can a source go back to something that another attempt left alone, so only there effects are followed by
// a look. A bucket that had versions once is taken for one that has them: those that are there still can come back.
import type { ObjectSource } from '../../core/object-source.ts';
import type { EffectKind } from '../attempt.ts';
import type { Rule } from '../../core/rule.ts';
import type { RecheckPolicy } from '../recheck.ts';

export class VersionedBuckets implements RecheckPolicy {
  readonly #known = new Set<string>();

  /** A version was named for an object of this bucket: by an answer of the store, or by a notification. */
  seen(bucket: string): void {
    this.#known.add(bucket);
  }

  isNeeded(_: EffectKind, rule: Rule, bucket: string): boolean {
    return rule.deletes === 'mirror' || this.#known.has(bucket);
  }

  /** The source, from whose answers this learns. */
  learnFrom(source: ObjectSource): ObjectSource {
    return {
      look: async (location, signal) => {
        const look = await source.look(location, signal);
        // A version, also the one named "null", and a delete marker are only where versions were switched on once.
        if (look.kind === 'present' ? look.state.versionId !== null : look.proof === 'delete_marker')
          this.seen(location.bucket);
        return look;
      },
      read: async (request, signal) => {
        const read = await source.read(request, signal);
        const isVersioned =
          (read.kind === 'body' && read.state.versionId !== null) ||
          (read.kind === 'absent' && read.proof === 'delete_marker');
        if (isVersioned) this.seen(request.location.bucket);
        return read;
      },
      list: (request, signal) => source.list(request, signal),
    };
  }
}
