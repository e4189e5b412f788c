// One queue: what is in it, who may receive what, and when a hidden message comes back. Every change of it is one
// synchronous step; only waiting for a message takes time.
import { randomUUID } from 'node:crypto';
import type { SandboxClock } from '../sandbox-clock.ts';
import type { TroubledDelivery } from '../delivery-trouble.ts';
import { Deduplication } from './deduplication.ts';
import { HiddenMessages } from './hidden-messages.ts';
import type { MessageAttributes } from './message-attributes.ts';
import type { QueueAttributes } from './queue-attributes.ts';
import { invalidParameter } from './sqs-errors.ts';
import { PollerCount } from './poller-count.ts';
import {
  type MessagePlace,
  readReceipt,
  type SentMessage,
  type StoredMessage,
  writeReceipt,
} from './stored-message.ts';

export interface NewMessage {
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly traceHeader: string | null;
  readonly senderId: string;
  /** Null for the queue's own delay. */
  readonly delaySec: number | null;
  /** Null in a queue that is not first in, first out. */
  readonly group: { readonly id: string; readonly deduplicationId: string } | null;
}

export interface Receiving {
  readonly max: number;
  readonly visibilitySec: number;
  /** What is done with a message that was received often enough. */
  readonly giveUp: (message: StoredMessage, deadLetterTargetArn: string) => void;
}

/** What a queue has seen since it was made. */
export interface QueueCounts {
  sent: number;
  received: number;
  deleted: number;
  deadLettered: number;
}

const longestHiddenMs = 12 * 3600 * 1000;
const mostInFlight = 120_000;

export class StoredQueue {
  readonly name: string;
  readonly arn: string;
  readonly attributes: QueueAttributes;
  readonly createdMs: number;
  readonly counts: QueueCounts = { sent: 0, received: 0, deleted: 0, deadLettered: 0 };
  /** Null where nothing goes wrong. */
  trouble: TroubledDelivery | null = null;
  /** What a receipt is answered that a newer one has overtaken: nothing is done, or the call is refused. */
  staleReceipts: 'ignored' | 'refused' = 'ignored';
  modifiedMs: number;
  purgedMs: number | null = null;
  readonly #clock: SandboxClock;
  readonly #messages = new Map<number, StoredMessage>();
  readonly #ready = new Set<StoredMessage>();
  readonly #hidden = new HiddenMessages();
  readonly #deduplication = new Deduplication();
  readonly #places: Record<MessagePlace, number> = { ready: 0, delayed: 0, in_flight: 0, gone: 0 };
  readonly #waiters = new Set<() => void>();
  readonly #pollers = new PollerCount();
  #lastSerial = 0;

  constructor(name: string, arn: string, attributes: QueueAttributes, clock: SandboxClock) {
    this.name = name;
    this.arn = arn;
    this.attributes = attributes;
    this.#clock = clock;
    this.createdMs = clock.nowMs();
    this.modifiedMs = this.createdMs;
  }

  /** How many messages are in each place now. */
  get places(): Readonly<Record<MessagePlace, number>> {
    this.#bringBack();
    return { ...this.#places };
  }

  /** Everything that is in the queue, in the order of arrival. */
  get messages(): readonly StoredMessage[] {
    this.#bringBack();
    return [...this.#messages.values()];
  }

  /** Puts a message in, or the copies that chance makes of it. Only what another service delivers can be lost. */
  send(message: NewMessage, isFromService = false): SentMessage {
    this.counts.sent += 1;
    const nowMs = this.#clock.nowMs();
    const known =
      message.group === null ? null : this.#deduplication.check(message.group.deduplicationId, nowMs);
    if (known !== null && known.kind === 'repeated') return known.sent;
    const sequence = known === null ? null : known.sequence;
    const sent = { id: randomUUID(), sequence };
    if (message.group !== null) this.#deduplication.remember(message.group.deduplicationId, sent, nowMs);
    const delayMs = 1000 * (message.delaySec ?? this.attributes.number('DelaySeconds'));
    const copies = this.trouble?.plan(isFromService) ?? [{ heldMs: 0, hasOwnId: false }];
    for (const { heldMs, hasOwnId } of copies)
      this.#add(
        {
          id: hasOwnId ? randomUUID() : sent.id,
          body: message.body,
          attributes: message.attributes,
          traceHeader: message.traceHeader,
          senderId: message.senderId,
          sentAtMs: nowMs,
          group: message.group === null || sequence === null ? null : { ...message.group, sequence },
          deadFromArn: null,
          receiveCount: 0,
        },
        delayMs + heldMs,
      );
    return sent;
  }

  /** Takes a message that another queue gave up, with its history, or that a move task brings with a new one. */
  takeOver(message: StoredMessage, from: { readonly deadFromArn: string | null }): void {
    const { id, body, attributes, traceHeader, senderId, sentAtMs, group, receiveCount } = message;
    const isDead = from.deadFromArn !== null;
    this.#add(
      {
        id: isDead ? id : randomUUID(),
        body,
        attributes,
        traceHeader,
        senderId,
        sentAtMs: isDead ? sentAtMs : this.#clock.nowMs(),
        group,
        deadFromArn: from.deadFromArn,
        receiveCount: isDead ? receiveCount : 0,
      },
      0,
    );
  }

  /** Takes every message out that can be received now, for a move to another queue. */
  takeAllReady(): StoredMessage[] {
    this.#bringBack();
    const taken = [...this.#ready];
    for (const message of taken) this.#drop(message);
    return taken;
  }

  /** No more can be in flight. */
  get isFull(): boolean {
    return this.#places.in_flight >= mostInFlight;
  }

  /** What can be received at once, hidden from now on. */
  receive({ max, visibilitySec, giveUp }: Receiving): { message: StoredMessage; receipt: string }[] {
    this.#bringBack();
    const nowMs = this.#clock.nowMs();
    const { redrive } = this.attributes;
    const keptMs = 1000 * this.attributes.number('MessageRetentionPeriod');
    const blocked = this.#groupsInFlight();
    const taken: { message: StoredMessage; receipt: string }[] = [];
    for (const message of this.#inOrder()) {
      if (taken.length === max || this.isFull) break;
      if (message.group !== null && blocked.has(message.group.id)) continue;
      if (message.sentAtMs + keptMs <= nowMs) {
        this.#drop(message);
      } else if (redrive !== null && message.receiveCount >= redrive.maxReceiveCount) {
        this.#drop(message);
        this.counts.deadLettered += 1;
        giveUp(message, redrive.deadLetterTargetArn);
      } else taken.push({ message, receipt: this.#hand(message, visibilitySec, nowMs) });
    }
    return taken;
  }

  /** Resolves when something may have become receivable, at `untilMs`, or when the signal says so. */
  async change(untilMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const nextMs = Math.min(untilMs, this.#hidden.nextMs() ?? untilMs);
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        this.#pollers.set(this.#waiters.size);
        signal.removeEventListener('abort', wake);
        cancel();
        resolve();
      };
      const cancel = this.#clock.at(nextMs, wake);
      this.#waiters.add(wake);
      this.#pollers.set(this.#waiters.size);
      signal.addEventListener('abort', wake);
    });
  }

  /** Resolves as soon as so many long polls are waiting. */
  async polledBy(count: number): Promise<void> {
    await this.#pollers.is(count);
  }

  /** Deletes by receipt. A message that is gone is no error; an overtaken receipt does nothing or is refused. */
  delete(handle: string): void {
    const message = this.#received(handle);
    if (message === null || message === 'overtaken') return;
    this.counts.deleted += 1;
    this.#drop(message);
  }

  /** Hides a received message for so long from now on. */
  changeVisibility(handle: string, visibilitySec: number): void {
    if (visibilitySec < 0 || visibilitySec > 43_200)
      throw invalidParameter('VisibilityTimeout', visibilitySec, 'Must be between 0 and 43200, if provided.');
    const message = this.#received(handle);
    if (message === null || message === 'overtaken')
      throw invalidParameter(
        'ReceiptHandle',
        handle,
        'Message does not exist or is not available for visibility timeout change.',
      );
    const nowMs = this.#clock.nowMs();
    const { receivedAtMs } = readReceipt(handle, this.name);
    if (nowMs - receivedAtMs + visibilitySec * 1000 > longestHiddenMs)
      throw invalidParameter(
        'VisibilityTimeout',
        visibilitySec,
        'Total VisibilityTimeout for the message is beyond the limit [43200 seconds].',
      );
    this.#hide(message, 'in_flight', nowMs + visibilitySec * 1000);
    this.#wake();
  }

  purge(): void {
    for (const message of this.#messages.values()) this.#drop(message);
    this.purgedMs = this.#clock.nowMs();
  }

  /** The message of a receipt: null where it is gone, `overtaken` where it was received again since. */
  #received(handle: string): StoredMessage | 'overtaken' | null {
    const receipt = readReceipt(handle, this.name);
    this.#bringBack();
    const expired = invalidParameter('ReceiptHandle', handle, 'The receipt handle has expired.');
    if (this.#clock.nowMs() - receipt.receivedAtMs > longestHiddenMs) throw expired;
    const message = this.#messages.get(receipt.serial);
    if (message === undefined) return null;
    const isOvertaken = message.receiptNumber !== receipt.receiptNumber;
    const isStrict = this.attributes.isFifo || this.staleReceipts === 'refused';
    if (isStrict && (isOvertaken || message.place !== 'in_flight')) throw expired;
    return isOvertaken ? 'overtaken' : message;
  }

  #add(
    fields: Omit<StoredMessage, 'serial' | 'place' | 'hiddenUntilMs' | 'firstReceivedAtMs' | 'receiptNumber'>,
    delayMs: number,
  ): void {
    this.#lastSerial += 1;
    const message: StoredMessage = {
      ...fields,
      serial: this.#lastSerial,
      place: 'gone',
      hiddenUntilMs: 0,
      firstReceivedAtMs: null,
      receiptNumber: 0,
    };
    this.#messages.set(message.serial, message);
    if (delayMs > 0) this.#hide(message, 'delayed', this.#clock.nowMs() + delayMs);
    else this.#move(message, 'ready');
    this.#wake();
  }

  #hand(message: StoredMessage, visibilitySec: number, nowMs: number): string {
    message.receiveCount += 1;
    message.receiptNumber += 1;
    message.firstReceivedAtMs ??= nowMs;
    this.counts.received += 1;
    this.#hide(message, 'in_flight', nowMs + visibilitySec * 1000);
    const { serial, receiptNumber } = message;
    return writeReceipt({ queueName: this.name, serial, receiptNumber, receivedAtMs: nowMs });
  }

  #hide(message: StoredMessage, place: 'delayed' | 'in_flight', untilMs: number): void {
    message.hiddenUntilMs = untilMs;
    this.#move(message, place);
    this.#hidden.add(message);
  }

  #move(message: StoredMessage, place: MessagePlace): void {
    if (message.place !== 'gone') this.#places[message.place] -= 1;
    message.place = place;
    if (place !== 'gone') this.#places[place] += 1;
    if (place === 'ready') this.#ready.add(message);
    else this.#ready.delete(message);
  }

  #drop(message: StoredMessage): void {
    this.#move(message, 'gone');
    this.#messages.delete(message.serial);
    this.#wake();
  }

  #bringBack(): void {
    const nowMs = this.#clock.nowMs();
    for (;;) {
      const message = this.#hidden.takeDue(nowMs);
      if (message === null) return;
      this.#move(message, 'ready');
    }
  }

  #groupsInFlight(): ReadonlySet<string> {
    if (!this.attributes.isFifo) return new Set();
    const inFlight = [...this.#messages.values()].filter((message) => message.place === 'in_flight');
    return new Set(inFlight.map((message) => message.group?.id ?? ''));
  }

  /** First in, first out keeps the order of sending; any other queue the order in which messages became ready. */
  #inOrder(): Iterable<StoredMessage> {
    return this.attributes.isFifo ? [...this.#ready].sort((a, b) => a.serial - b.serial) : this.#ready;
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}
