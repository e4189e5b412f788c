// What the rows of the page say, built over a document of a few lines: its modules need no more of a browser.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

class FakeElement {
  readonly name: string;
  children: (FakeElement | string)[] = [];
  #onClick: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  setAttribute(): void {}

  append(...children: readonly (FakeElement | string)[]): void {
    this.children.push(...children);
  }

  remove(): void {
    this.children = [];
  }

  addEventListener(_type: string, listener: () => void): void {
    this.#onClick = listener;
  }

  click(): void {
    this.#onClick();
  }

  set textContent(text: string) {
    this.children = [text];
  }

  get text(): string {
    return this.children.map((child) => (typeof child === 'string' ? child : child.text)).join('|');
  }

  all(name: string): FakeElement[] {
    return this.children.flatMap((child) =>
      typeof child === 'string' ? [] : [...(child.name === name ? [child] : []), ...child.all(name)],
    );
  }
}

interface Lists {
  brakeElements(brakes: readonly object[], actions: object): FakeElement[];
  alertElements(alerts: readonly object[], receiver: object | null): FakeElement[];
  transferRow(transfer: object, actions: object): FakeElement;
  quarantinedElement(record: object, onWhole: (id: string) => Promise<object | null>): FakeElement;
}

let lists: Lists;

before(async () => {
  Reflect.set(globalThis, 'document', {
    createElement: (name: string) => new FakeElement(name),
    createTextNode: (text: string) => text,
  });
  const parts = await Promise.all(
    ['transfer-list.js', 'alert-list.js', 'brake-list.js'].map(
      async (name) => (await import(new URL(`page/${name}`, import.meta.url).href)) as object,
    ),
  );
  lists = Object.assign({}, ...parts) as Lists;
});

const fault = { title: 'Access is denied', message: 'no s3:GetObject', remedy: 'Grant it.' };
const transfer = {
  id: 't1',
  source: { bucket: 'photos', key: 'a.jpg' },
  status: 'parked',
  summary: 'needs a person: Access is denied',
  fault,
  attemptCount: 3,
  bytesDone: 0,
  updatedAt: '2026-11-23T09:31:00.000Z',
};
const actions = { onRetry: async () => {}, onExplain: () => {} };

test('a row tells the title of a fault once, its message and its remedy', () => {
  const { text } = lists.transferRow(transfer, actions);
  assert.equal(text.split('Access is denied').length, 2, text);
  assert.match(text, /no s3:GetObject\|What to do: Grant it\./);
  const other = lists.transferRow({ ...transfer, summary: 'needs a person' }, actions);
  assert.match(other.text, /Access is denied/);
});

test('a finished row shows no old fault, and no attempts where there were none', () => {
  const done = { ...transfer, status: 'done', summary: 'replicated and verified', attemptCount: 0 };
  const row = lists.transferRow(done, actions);
  assert.doesNotMatch(row.text, /denied|GetObject/);
  assert.equal(row.all('td')[3]?.text, '');
  assert.equal(lists.transferRow(transfer, actions).all('td')[3]?.text, '3');
});

test('the button for one more look has the same name whatever the status, and none while copying', () => {
  const names = (status: string): string[] =>
    lists
      .transferRow({ ...transfer, status }, actions)
      .all('button')
      .map((button) => button.text);
  for (const status of ['queued', 'settling', 'parked', 'done'])
    assert.deepEqual(names(status), ['Look again', 'Explain'], status);
  assert.deepEqual(names('copying'), ['Explain']);
});

test('a quarantined record is shown by its beginning until all of it is asked for', async () => {
  const record = { id: 'q1', reason: 'no key', raw: 'äb', rawBytes: 3, receivedAt: transfer.updatedAt };
  assert.deepEqual(lists.quarantinedElement(record, async () => null).all('button'), []);
  const whole = { ...record, raw: 'äbc', rawBytes: 4 };
  const asked: string[] = [];
  const element = lists.quarantinedElement({ ...record, rawBytes: 4 }, async (id) => {
    asked.push(id);
    return whole;
  });
  assert.match(element.text, /no key\|äb\|Show all of it/);
  element.all('button')[0]?.click();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked, ['q1']);
  assert.equal(element.all('pre')[0]?.text, 'äbc');
});

test('an alert is shown with what to do, since when, and whether somebody was told', () => {
  const since = '2026-11-23T09:31:00.000Z';
  const alert = {
    title: 'The target is down',
    detail: 'Transfers wait.',
    remedy: 'Check DNS.',
    since,
    lastSentAt: null,
  };
  const shown = (told: object, receiver: object | null) =>
    lists
      .alertElements([{ ...alert, ...told }], receiver)
      .map(({ text }) => text)
      .join('|');
  assert.match(
    shown({}, null),
    /The target is down\|Transfers wait\.\|What to do: Check DNS\.\|Since .*\|\.$/,
  );
  const receiver = { origin: 'https://h', failure: null };
  assert.match(shown({}, receiver), /Not told yet\.$/);
  assert.match(shown({ lastSentAt: since }, receiver), /Told \|.*\|\.$/);
  assert.match(
    shown({}, { ...receiver, failure: 'https://h answered 500' }),
    /do not arrive: https:\/\/h answered 500\.$/,
  );
});

test('a brake that holds deletes says how many, and each decision needs a second press', async () => {
  const calm = { rule: 'photos', deletes: 1, limit: 20, windowSec: 3600, objects: 200, held: 0 };
  const decided: string[] = [];
  const onDecide = async (rule: string, action: string): Promise<void> =>
    void decided.push(`${action} ${rule}`);
  const [ready] = lists.brakeElements([calm], { onDecide });
  assert.match(ready?.text ?? '', /deletes pass\. .*1 within 3600 s, at most 20, of about 200 objects/);
  assert.deepEqual(ready?.all('button'), []);
  const tripped = { ...calm, trippedAt: transfer.updatedAt, deletes: 20, held: 60 };
  const [element] = lists.brakeElements([tripped], { onDecide });
  assert.match(element?.text ?? '', /deletes are held.*60 objects would be deleted/);
  const [release, reject] = element?.all('button') ?? [];
  assert.deepEqual([release?.text, reject?.text], ['Delete 60 objects', 'Keep 60 objects for good']);
  release?.click();
  await Promise.resolve();
  assert.deepEqual([release?.text, decided], ['Delete 60 objects: press again', []]);
  release?.click();
  reject?.click();
  reject?.click();
  assert.deepEqual(decided, ['release photos', 'reject photos']);
});
