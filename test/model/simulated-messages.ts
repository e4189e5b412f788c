// The queue of messages as one process reaches it, and what is known of it from outside: which objects somebody still
// has to look at, and which were given up to the dead letters.
import { Fault } from '../../src/core/faults.ts';
import type { MessageFailure, MessageQueue, ReceivedMessage } from '../../src/core/message-queue.ts';
import type { MemoryMessageQueue } from '../../src/messages/memory/memory-message-queue.ts';
import { MESSAGE_DOCUMENTS } from '../../src/triggers/message-documents.ts';
import type { Trouble, Wire } from './network.ts';
import type { Process } from './scheduler.ts';

/** The key of the object that a message is about. */
export function keyOfBody(body: string): string {
  return MESSAGE_DOCUMENTS.read(body).parsed.changes[0]?.key ?? '';
}

/** What the queue still promises, kept apart from it. */
export class MessageLedger {
  readonly #wire: Wire;
  readonly #queue: MemoryMessageQueue;
  readonly #deadLetters: MemoryMessageQueue;
  /** By receipt: the step at which it was given out. */
  readonly #receivedAtStep = new Map<string, number>();
  /** By key: the latest receipt of a message that was acknowledged. */
  readonly #lookedAtStep = new Map<string, number>();
  /** By key: when a message of it was seen among the dead letters first. */
  readonly #diedAtStep = new Map<string, number>();
  #deadCount = 0;

  constructor(wire: Wire, queue: MemoryMessageQueue, deadLetters: MemoryMessageQueue) {
    this.#wire = wire;
    this.#queue = queue;
    this.#deadLetters = deadLetters;
  }

  get hasPending(): boolean {
    return this.#queue.size > 0;
  }

  status(key: string): 'pending' | 'parked' | 'done' {
    this.#noteDead();
    if (this.#queue.bodies.some((body) => keyOfBody(body) === key)) return 'pending';
    const diedAtStep = this.#diedAtStep.get(key);
    if (diedAtStep === undefined) return 'done';
    // A message that was received later has looked after it.
    return (this.#lookedAtStep.get(key) ?? -1) > diedAtStep ? 'done' : 'parked';
  }

  received(messages: readonly ReceivedMessage[]): void {
    this.#noteDead();
    for (const { receipt } of messages) this.#receivedAtStep.set(receipt, this.#wire.scheduler.stepCount);
  }

  acknowledged({ receipt, body }: Pick<ReceivedMessage, 'receipt' | 'body'>): void {
    const key = keyOfBody(body);
    const step = this.#receivedAtStep.get(receipt) ?? -1;
    this.#lookedAtStep.set(key, Math.max(step, this.#lookedAtStep.get(key) ?? -1));
  }

  #noteDead(): void {
    const { bodies } = this.#deadLetters;
    for (const body of bodies.slice(this.#deadCount)) {
      this.#wire.scheduler.note(() => `the message of ${keyOfBody(body)} is among the dead letters`);
      this.#diedAtStep.set(keyOfBody(body), this.#wire.scheduler.stepCount);
    }
    this.#deadCount = bodies.length;
  }
}

interface MessagesOptions {
  readonly network: Wire;
  readonly process: Process;
  /** The queue, behind mistakes that may be planted at it. */
  readonly store: MessageQueue;
  readonly ledger: MessageLedger;
  /** Aborted when the process dies: a receive that waits then ends without a message. */
  readonly death: AbortSignal;
}

/** The queue as `process` reaches it. */
export function simulateMessages(options: MessagesOptions): MessageQueue {
  const { network, process, store } = options;
  const base = { process, isEffect: true, troubled };
  const names = new Map<string, string>();
  const nameOf = ({ id }: { readonly id: string }): string => `${id} (${names.get(id) ?? ''})`;
  return {
    ...simulateReceipts(options, names),
    changeVisibility: (messages, signal) =>
      network.send({
        ...base,
        op: 'changeVisibility',
        asks: messages,
        signal,
        name: () =>
          `hides ${messages.map((message) => `${nameOf(message)} for ${message.visibilitySec} s`).join()}`,
        show: showFailures,
        perform: () => store.changeVisibility(messages, signal),
      }),
    send: (messages, signal) =>
      network.send({
        ...base,
        op: 'send',
        asks: messages,
        signal,
        name: () =>
          `sends ${messages.map(({ body, delaySec }) => `${keyOfBody(body)} again in ${delaySec} s`).join()}`,
        show: () => 'done',
        perform: () => store.send(messages, signal),
      }),
    facts: (signal) => store.facts(signal),
    close: () => store.close(),
  };
}

/** What gives messages out and takes them back; `names` gets the keys of their objects. */
function simulateReceipts(
  { network, process, store, ledger, death }: MessagesOptions,
  names: Map<string, string>,
): Pick<MessageQueue, 'receive' | 'delete'> {
  const base = { process, isEffect: true, troubled };
  const bodies = new Map<string, string>();
  const nameOf = ({ id }: { readonly id: string }): string => `${id} (${names.get(id) ?? ''})`;
  return {
    receive: (request, signal) =>
      network.send<readonly ReceivedMessage[]>({
        ...base,
        op: 'receive',
        asks: request,
        signal,
        name: () => 'receives',
        show: (messages) =>
          messages.length === 0
            ? 'nothing'
            : messages.map((message) => `${nameOf(message)}, time ${message.receiveCount}`).join(),
        perform: async () => {
          const messages = await store
            .receive(request, AbortSignal.any([signal, death]))
            .catch((): readonly ReceivedMessage[] => []);
          for (const { id, receipt, body } of messages) {
            names.set(id, keyOfBody(body));
            bodies.set(receipt, body);
          }
          ledger.received(messages);
          return messages;
        },
      }),
    delete: (messages, signal) =>
      network.send({
        ...base,
        op: 'delete',
        asks: messages,
        signal,
        name: () => `acknowledges ${messages.map(nameOf).join()}`,
        show: showFailures,
        perform: async () => {
          const failures = await store.delete(messages, signal);
          for (const { id, receipt } of messages) {
            if (failures.some((failure) => failure.id === id)) continue;
            ledger.acknowledged({ receipt, body: bodies.get(receipt) ?? '' });
          }
          return failures;
        },
      }),
  };
}

function showFailures(failures: readonly MessageFailure[]): string {
  return failures.length === 0 ? 'done' : 'not ours any more';
}

function troubled(trouble: Trouble): never {
  throw new Fault(
    'queue_unavailable',
    trouble === 'refused' ? 'The queue refused' : 'The queue did not answer',
  );
}
