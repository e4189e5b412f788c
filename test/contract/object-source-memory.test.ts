// The memory source under the contract of its port.
import assert from 'node:assert/strict';
import { MemorySource } from '../../src/stores/memory/memory-source.ts';
import { ManualClock } from './manual-clock.ts';
import { testObjectSource } from './object-source.contract.ts';

for (const chunkBytes of [64 * 1024, 1000]) {
  testObjectSource({
    name: `memory, chunks of ${chunkBytes} bytes`,
    async open() {
      const clock = new ManualClock(Date.now());
      const source = new MemorySource({ clock, buckets: ['plain', 'versioned'], chunkBytes });
      source.setVersioning('versioned', 'enabled');
      return {
        source,
        bucket: 'plain',
        versionedBucket: 'versioned',
        missingBucket: 'missing',
        connectionCount: 2,
        async put(location, bytes, { user = {}, ...headers }) {
          source.put(location, bytes, { metadata: { ...headers, user } });
        },
        async remove(location) {
          source.remove(location);
        },
        async close() {
          assert.equal(source.openBodyCount, 0, 'Every body was freed');
        },
      };
    },
  });
}
