// The memory target under the contract of its port.
import { MemoryTarget } from '../../src/stores/memory/memory-target.ts';
import { testObjectTarget } from './object-target.contract.ts';

for (const blockBytes of [256 * 1024, 4]) {
  testObjectTarget({
    name: `memory, blocks of ${blockBytes} bytes`,
    async open() {
      const bucket = 'bucket';
      const target = new MemoryTarget({ buckets: [bucket], blockBytes });
      return {
        target,
        bucket,
        readBytes: async (key) => target.bytesOf({ bucket, key }),
        async foreignWrite(key, bytes) {
          target.foreignWrite({ bucket, key }, bytes);
        },
        async close() {},
      };
    },
  });
}
