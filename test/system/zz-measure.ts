import { readFileSync } from 'node:fs';
import { startSqsSystem, QUEUE } from './sqs-under-test.ts';
import { notification } from './service-under-test.ts';
import { setTimeout as sleep } from 'node:timers/promises';
const world = await startSqsSystem();
const cpu = (pid: number | 'self') => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return (Number(f[11]) + Number(f[12])) * 10; };
world.system.clouds.s3.faults.add({ match: {}, effect: { kind: 'status', status: 503, body: 'down' }, times: Infinity });
for (const size of [2_000, 5_000]) {
  await world.system.service.kill();
  for (let i = 0; i < size; i += 1) world.sqs.send(QUEUE, JSON.stringify(notification([`${size}-k${i}`])));
  await world.system.restart();
  const pid = world.system.service.pid;
  const t1 = performance.now(); const c1 = cpu(pid), s1 = cpu('self');
  while (world.sqs.inspect(QUEUE).messages.length > 0) await sleep(100);
  console.log(size, 'messages', Math.round(performance.now() - t1), 'ms; cpu service', cpu(pid) - c1, 'sandbox', cpu('self') - s1, await world.messageCounts());
}
await world[Symbol.asyncDispose]();
