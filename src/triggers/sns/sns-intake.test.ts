// Deliveries of SNS, checked: what is believed, what is refused, and above all what is fetched. The network is a list of
// answers by address that notes what was asked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/contract/manual-clock.ts';
import type { DocumentAnswer } from '../../core/fetch-document.ts';
import type { SnsDelivery } from '../../core/sns-intake.ts';
import { type CertificateWishes, selfSignedCertificate } from '../testing/self-signed-certificate.ts';
import {
  CERTIFICATE_URL,
  confirmation,
  notification,
  signedBySns,
  type SnsFields,
  TOPIC_ARN,
} from '../testing/sns-sender.ts';
import { createSnsIntake } from './sns-intake.ts';

const genuine = selfSignedCertificate();

type Answers = Record<string, DocumentAnswer | Error | Promise<DocumentAnswer>>;

function open(
  answers: Answers = { [CERTIFICATE_URL]: { status: 200, text: genuine.pem } },
  endpoint: string | null = null,
) {
  const clock = new ManualClock();
  clock.advance(Date.now() - clock.nowMs());
  const fetched: string[] = [];
  const sns = createSnsIntake({
    topicArns: [TOPIC_ARN],
    endpoint,
    clock,
    fetchDocument: async ({ url, maxBytes, timeoutMs }) => {
      fetched.push(url);
      assert.ok(maxBytes <= 64 * 1024 && timeoutMs <= 10_000, 'both limits are small');
      const answer = await answers[url];
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no such host');
      return answer;
    },
  });
  return { sns, clock, fetched, answers };
}

function reasonOf(delivery: SnsDelivery): string {
  return 'reason' in delivery ? `${delivery.kind}: ${delivery.reason}` : delivery.kind;
}

test('a signed notification is believed, in both versions of the signature, with and without a subject', async () => {
  const { sns } = open();
  for (const version of ['1', '2'] as const)
    for (const subject of [{}, { Subject: 'Amazon S3 Notification' }]) {
      const message = signedBySns(
        notification('{"Records":[]}\nünïcode', subject),
        genuine.privateKey,
        version,
      );
      const delivery = await sns.receive(message);
      assert(delivery.kind === 'notification', reasonOf(delivery));
      assert.match(delivery.deliveryId, new RegExp(`^sns:${message['MessageId']}:[\\w-]{43}$`));
      assert.deepEqual(
        Object.keys(delivery.document as object).sort(),
        ['Message', 'MessageId', 'Timestamp', 'TopicArn', 'Type'],
        'neither the signature nor the address that ends the subscription is kept',
      );
    }
});

test('a changed part, a missing or an added subject, or another key is refused', async () => {
  const { sns } = open();
  const message = signedBySns(notification('{}', { Subject: 's' }), genuine.privateKey);
  const stranger = selfSignedCertificate();
  const { Subject: _, ...withoutSubject } = message;
  for (const forged of [
    { ...message, Message: '{"Records":[1]}' },
    { ...message, MessageId: 'other' },
    { ...message, Subject: 't' },
    { ...message, Timestamp: new Date(Date.now() - 1_000).toISOString() },
    { ...message, SignatureVersion: '1' },
    { ...message, Signature: 'AAAA' },
    withoutSubject,
    signedBySns(notification('{}'), stranger.privateKey),
    { ...signedBySns(notification('{}'), genuine.privateKey), Subject: 'added' },
  ])
    assert.equal(reasonOf(await sns.receive(forged)), 'refused: the signature is not of this message');
});

test('a document that is no message of SNS is malformed, and nothing is fetched for it', async () => {
  const { sns, fetched } = open();
  const message = signedBySns(notification('{}'), genuine.privateKey);
  for (const name of [
    'Type',
    'MessageId',
    'TopicArn',
    'Message',
    'Timestamp',
    'SigningCertURL',
    'Signature',
  ]) {
    const { [name]: _, ...rest } = message;
    assert.equal((await sns.receive(rest)).kind, 'malformed', name);
    assert.equal((await sns.receive({ ...message, [name]: 7 })).kind, 'malformed', name);
  }
  const wrong: readonly unknown[] = [
    null,
    [],
    'text',
    { __proto__: message },
    { ...message, SignatureVersion: '3' },
    { ...message, Timestamp: 'yesterday' },
    { ...message, MessageId: 'x'.repeat(65) },
    { ...message, Signature: '!' },
    { ...confirmation(), Token: undefined, Signature: 'AAAA', SignatureVersion: '1' },
  ];
  for (const document of wrong) assert.equal((await sns.receive(document)).kind, 'malformed');
  assert.deepEqual(fetched, []);
});

test('a topic that is not listed makes nobody fetch anything', async () => {
  const { sns, fetched } = open();
  const strange = 'arn:aws:sns:eu-central-1:999999999999:s3-events';
  for (const fields of [
    notification('{}', { TopicArn: strange }),
    confirmation(undefined, { TopicArn: strange }),
  ]) {
    const delivery = await sns.receive(signedBySns(fields, genuine.privateKey));
    assert.deepEqual(delivery, { kind: 'stranger', topicArn: strange });
  }
  assert.deepEqual([sns.listensTo(strange), sns.listensTo(TOPIC_ARN)], [false, true]);
  assert.deepEqual(fetched, []);
});

const OTHER_CERTIFICATE_URLS: readonly string[] = [
  CERTIFICATE_URL.replace('https:', 'http:'),
  CERTIFICATE_URL.replace('eu-central-1', 'us-east-1'),
  CERTIFICATE_URL.replace('sns.', 'sns-'),
  CERTIFICATE_URL.replace('amazonaws.com', 'amazonaws.com.cn'),
  CERTIFICATE_URL.replace('amazonaws.com', 'amazonaws.com.evil.example'),
  CERTIFICATE_URL.replace('https://', 'https://user@'),
  CERTIFICATE_URL.replace('.com/', '.com:444/'),
  CERTIFICATE_URL.replace('/Simple', '/x/Simple'),
  CERTIFICATE_URL.replace('/Simple', '/../Simple'),
  CERTIFICATE_URL.replace('.pem', '.crt'),
  `${CERTIFICATE_URL}?a=b`,
  `${CERTIFICATE_URL}#a`,
  ` ${CERTIFICATE_URL}`,
  'https://sns.eu-central-1.amazonaws.com/',
  'https://evil.example/SimpleNotificationService-0.pem',
  'https://127.0.0.1/SimpleNotificationService-0.pem',
  'file:///etc/passwd',
  'nonsense',
];

test('a certificate from anywhere but the SNS host of the region of the topic is not fetched', async () => {
  const { sns, fetched } = open();
  for (const SigningCertURL of OTHER_CERTIFICATE_URLS) {
    const delivery = await sns.receive(
      signedBySns(notification('{}', { SigningCertURL }), genuine.privateKey),
    );
    assert.match(reasonOf(delivery), /^refused: the SigningCertURL is not one of SNS/, SigningCertURL);
  }
  assert.deepEqual(fetched, []);
});

test('a topic in China has the host of its own domain', async () => {
  const arn = 'arn:aws-cn:sns:cn-north-1:111122223333:s3-events';
  const url = 'https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem';
  const chinese = selfSignedCertificate({ commonName: 'sns-cn-north-1.amazonaws.com.cn' });
  const sns = createSnsIntake({
    topicArns: [arn],
    endpoint: null,
    clock: open().clock,
    fetchDocument: async (request) => {
      assert.equal(request.url, url);
      return { status: 200, text: chinese.pem };
    },
  });
  const fields = notification('{}', { TopicArn: arn, SigningCertURL: url });
  assert.equal((await sns.receive(signedBySns(fields, chinese.privateKey))).kind, 'notification');
});

test('a message is too old after a day, and may be a quarter of an hour ahead', async () => {
  const { sns, clock, fetched } = open();
  const at = async (offsetMs: number): Promise<string> => {
    const Timestamp = new Date(clock.nowMs() + offsetMs).toISOString();
    return reasonOf(await sns.receive(signedBySns(notification('{}', { Timestamp }), genuine.privateKey)));
  };
  assert.equal(await at(-86_400_001), 'refused: the message is older than a day');
  assert.match(await at(900_001), /^refused: the message is of a time to come/);
  assert.deepEqual(fetched, []);
  assert.deepEqual([await at(-86_300_000), await at(899_000)], ['notification', 'notification']);
});

const WRONG_CERTIFICATES: readonly (readonly [wishes: CertificateWishes, reason: RegExp])[] = [
  [{ validToMs: Date.now() - 1_000 }, /it is valid from .* to /],
  [{ validFromMs: Date.now() + 3_600_000 }, /it is valid from .* to /],
  [{ commonName: 'sns.amazonaws.com.evil.example' }, /it names .*evil.*, not SNS/],
  [{ names: ['sns.us-east-1.amazonaws.com'] }, /it names .*us-east-1.*, not SNS/],
  [{ names: ['*.amazonaws.com'] }, /not SNS/],
  [{ isIssuer: true }, /issues certificates/],
  [{ keyBits: 1024 }, /RSA key of 2048 bits/],
];

test('a certificate that is expired, too young, of another name, an issuer or too weak is refused', async () => {
  for (const [wishes, reason] of WRONG_CERTIFICATES) {
    const wrong = selfSignedCertificate(wishes);
    const { sns, fetched } = open({ [CERTIFICATE_URL]: { status: 200, text: wrong.pem } });
    const message = signedBySns(notification('{}'), wrong.privateKey);
    const delivery = await sns.receive(message);
    assert.equal(delivery.kind, 'refused', reasonOf(delivery));
    assert.match(reasonOf(delivery), reason);
    await sns.receive(message);
    assert.equal(fetched.length, 1, 'it is remembered for a moment');
  }
  const { sns } = open({ [CERTIFICATE_URL]: { status: 200, text: '<html>' } });
  assert.match(
    reasonOf(await sns.receive(signedBySns(notification('{}'), genuine.privateKey))),
    /no certificate/,
  );
});

test('the names that SNS has in single regions are known', async () => {
  for (const names of [
    ['sns.amazonaws.com'],
    ['sns-signing.eu-central-1.amazonaws.com', 'sns.eu-central-1.amazonaws.com'],
    ['sns-eu-central-1.amazonaws.com'],
  ]) {
    const regional = selfSignedCertificate({ names });
    const { sns } = open({ [CERTIFICATE_URL]: { status: 200, text: regional.pem } });
    const delivery = await sns.receive(signedBySns(notification('{}'), regional.privateKey));
    assert.equal(delivery.kind, 'notification', reasonOf(delivery));
  }
});

test('a certificate is fetched once for many messages at once, kept for a day, and not beyond its own end', async () => {
  const short = selfSignedCertificate({ validToMs: Date.now() + 3_600_000 });
  const { sns, clock, fetched, answers } = open({ [CERTIFICATE_URL]: { status: 200, text: short.pem } });
  const receive = async (key = short.privateKey): Promise<string> => {
    const Timestamp = new Date(clock.nowMs()).toISOString();
    return reasonOf(await sns.receive(signedBySns(notification('{}', { Timestamp }), key)));
  };
  const many = await Promise.all(Array.from({ length: 50 }, async () => receive()));
  assert.deepEqual(new Set(many), new Set(['notification']));
  clock.advance(3_500_000);
  assert.equal(await receive(), 'notification');
  assert.equal(fetched.length, 1);
  clock.advance(200_000);
  assert.match(await receive(), /^refused: the certificate of the signature: it is valid/);
  assert.equal(fetched.length, 2);
  answers[CERTIFICATE_URL] = { status: 200, text: genuine.pem };
  clock.advance(61_000);
  assert.equal(await receive(genuine.privateKey), 'notification');
  clock.advance(86_000_000);
  assert.equal(await receive(genuine.privateKey), 'notification');
  assert.equal(fetched.length, 3);
  clock.advance(500_000);
  assert.equal(await receive(genuine.privateKey), 'notification');
  assert.equal(fetched.length, 4);
});

test('a certificate that cannot be had now lets the sender come again, and is asked for again soon', async () => {
  const { sns, clock, fetched, answers } = open({ [CERTIFICATE_URL]: new Error('connect ETIMEDOUT') });
  const message = signedBySns(notification('{}'), genuine.privateKey);
  assert.match(reasonOf(await sns.receive(message)), /^unavailable: .*connect ETIMEDOUT/);
  answers[CERTIFICATE_URL] = { status: 503, text: '' };
  assert.match(reasonOf(await sns.receive(message)), /ETIMEDOUT/, 'a failure counts for a moment');
  assert.equal(fetched.length, 1);
  clock.advance(10_001);
  assert.match(reasonOf(await sns.receive(message)), /^unavailable: .*answered 503/);
  answers[CERTIFICATE_URL] = { status: 301, text: '' };
  clock.advance(10_001);
  assert.match(
    reasonOf(await sns.receive(message)),
    /^unavailable: .*answered 301/,
    'no redirect is followed',
  );
  answers[CERTIFICATE_URL] = { status: 200, text: genuine.pem };
  clock.advance(10_001);
  assert.equal((await sns.receive(message)).kind, 'notification');
});

test('a flood of made-up certificates fetches few of them, and forgets none that is right', async () => {
  const { sns, clock, fetched } = open();
  const good = signedBySns(notification('{}'), genuine.privateKey);
  assert.equal((await sns.receive(good)).kind, 'notification');
  const madeUp = (index: number): string =>
    `https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-${index}.pem`;
  for (let index = 0; index < 500; index += 1) {
    const SigningCertURL = madeUp(index);
    const delivery = await sns.receive(
      signedBySns(notification('{}', { SigningCertURL }), genuine.privateKey),
    );
    assert.equal(delivery.kind, 'unavailable');
  }
  assert.equal(fetched.length, 20);
  for (let minute = 0; minute < 10; minute += 1) {
    clock.advance(60_000);
    for (let index = 0; index < 20; index += 1) {
      const SigningCertURL = madeUp(1_000 * (minute + 1) + index);
      await sns.receive(signedBySns(notification('{}', { SigningCertURL }), genuine.privateKey));
    }
  }
  assert.equal((await sns.receive(good)).kind, 'notification');
  assert.equal(fetched.filter((url) => url === CERTIFICATE_URL).length, 1);
});

test('a subscription of a listed topic is confirmed once, after its signature was checked', async () => {
  const message = signedBySns(confirmation(), genuine.privateKey);
  const url = message['SubscribeURL'] ?? '';
  const { sns, fetched, answers } = open();
  answers[url] = { status: 500, text: '' };
  assert.equal(
    reasonOf(await sns.receive({ ...message, Token: 'x' })),
    'refused: the signature is not of this message',
  );
  assert.deepEqual(fetched, [CERTIFICATE_URL]);
  assert.equal(reasonOf(await sns.receive(message)), 'unavailable: the confirmation was answered 500');
  answers[url] = { status: 200, text: '<ConfirmSubscriptionResponse/>' };
  assert.deepEqual(await sns.receive(message), { kind: 'confirmed', topicArn: TOPIC_ARN });
  assert.deepEqual(await sns.receive(message), { kind: 'confirmed', topicArn: TOPIC_ARN });
  assert.deepEqual(fetched, [CERTIFICATE_URL, url, url]);
});

test('a SubscribeURL that does anything but confirm this subscription is not asked, however well it is signed', async () => {
  const { sns, fetched } = open();
  const right = confirmation()['SubscribeURL'] ?? '';
  for (const SubscribeURL of [
    right.replace('https:', 'http:'),
    right.replace('eu-central-1.', 'us-east-1.'),
    right.replace('sns.eu-central-1.amazonaws.com', 'evil.example'),
    right.replace('https://', 'https://user:word@'),
    right.replace('.com/', '.com:8443/'),
    right.replace('.com/', '.com/other'),
    right.replace('ConfirmSubscription', 'DeleteTopic'),
    right.replace('Token=', 'Token=x'),
    right.replace(':s3-events', ':other'),
    `${right}&Action=Publish`,
    `${right}#a`,
    'nonsense',
  ]) {
    const delivery = await sns.receive(
      signedBySns(confirmation(undefined, { SubscribeURL }), genuine.privateKey),
    );
    assert.match(reasonOf(delivery), /^refused: the SubscribeURL is not one of SNS/, SubscribeURL);
  }
  assert.deepEqual(fetched, [CERTIFICATE_URL]);
});

test('the end of a subscription is told, and nothing is asked', async () => {
  const { sns, fetched } = open();
  const delivery = await sns.receive(
    signedBySns(confirmation('UnsubscribeConfirmation'), genuine.privateKey),
  );
  assert.deepEqual(delivery, { kind: 'unsubscribed', topicArn: TOPIC_ARN });
  assert.deepEqual(fetched, [CERTIFICATE_URL]);
});

test('with an address of its own for SNS, certificates and confirmations come from there and nowhere else', async () => {
  const endpoint = 'http://127.0.0.1:9004';
  const own = selfSignedCertificate({ commonName: 'sandbox' });
  const SigningCertURL = `${endpoint}/_aws/SimpleNotificationService-0.pem`;
  const asked = confirmation(undefined, { SigningCertURL }, endpoint);
  const { sns, fetched } = open(
    {
      [SigningCertURL]: { status: 200, text: own.pem },
      [asked['SubscribeURL'] ?? '']: { status: 200, text: '' },
    },
    endpoint,
  );
  assert.equal((await sns.receive(signedBySns(asked, own.privateKey))).kind, 'confirmed');
  const before = fetched.length;
  const delivery = await sns.receive(signedBySns(notification('{}'), genuine.privateKey));
  assert.equal(delivery.kind, 'refused', 'not even from Amazon');
  assert.equal(fetched.length, before);
});

test('the same message has the same name however often it comes, another one has another', async () => {
  const { sns } = open();
  const fields: SnsFields = notification('{"a":1}');
  const names: string[] = [];
  for (const message of [
    signedBySns(fields, genuine.privateKey, '1'),
    signedBySns(fields, genuine.privateKey, '2'),
    signedBySns({ ...fields, Message: '{"a":2}' }, genuine.privateKey),
  ]) {
    const delivery = await sns.receive(message);
    assert(delivery.kind === 'notification');
    assert.ok(delivery.deliveryId.length <= 200);
    names.push(delivery.deliveryId);
  }
  assert.equal(names[0], names[1]);
  assert.notEqual(names[0], names[2]);
});
