// The story of one object: what both stores hold now, what would happen next, and what has happened.
import { buildElement, factList, faultElement, nameElement, sizeText, timeElement } from './build-element.js';

/** The explanation of the API as elements. */
export function storyElement(story) {
  const title = buildElement('p', {}, nameElement(`${story.source.bucket}/${story.source.key}`));
  if (story.rules.length === 0) {
    return buildElement(
      'div',
      {},
      title,
      buildElement('p', {}, story.reason ?? 'No rule covers this object.'),
    );
  }
  return buildElement('div', {}, title, ...story.rules.map(ruleElement));
}

function ruleElement(rule) {
  return buildElement(
    'article',
    {},
    buildElement('h3', {}, `Rule ${rule.rule}`),
    factList([
      ['Goes to', nameElement(`${rule.target.bucket}/${rule.target.key}`)],
      ['Source now', sideElement(rule.sourceNow, sourceFacts)],
      ['Target now', sideElement(rule.targetNow, targetFacts)],
      ['Next look', rule.verdict ?? 'cannot be told while a side is unknown'],
    ]),
    rule.transfers.length === 0
      ? buildElement('p', { class: 'quiet' }, 'No transfer of it is remembered.')
      : buildElement('ul', {}, ...rule.transfers.map(historyElement)),
  );
}

function sideElement(side, factsOf) {
  if (side.kind === 'absent') return 'absent';
  if (side.kind === 'unknown') return faultElement(side.fault);
  return factList(factsOf(side.state));
}

function sourceFacts(state) {
  return [
    ['Size', sizeText(state.sizeBytes)],
    ['Modified', timeElement(state.lastModified)],
    ['ETag', nameElement(state.etag)],
    ['Version', state.versionId === undefined ? null : nameElement(state.versionId)],
  ];
}

function targetFacts(state) {
  return [
    ['Size', sizeText(state.sizeBytes)],
    ['Generation', nameElement(state.generation)],
    ['CRC32C', state.crc32c === undefined ? null : nameElement(state.crc32c)],
  ];
}

function historyElement(transfer) {
  return buildElement(
    'li',
    {},
    timeElement(transfer.updatedAt),
    ' ',
    buildElement('span', { class: `status ${transfer.status}` }, transfer.status),
    ` ${transfer.summary}`,
    transfer.receipt === undefined
      ? null
      : factList([
          ['Receipt', `verified against: ${transfer.receipt.verified}`],
          ['Generation', nameElement(transfer.receipt.generation)],
          ['Delay', `${transfer.receipt.lagMs} ms`],
        ]),
    transfer.fault === undefined || transfer.status === 'done'
      ? null
      : faultElement(transfer.fault, transfer.summary),
  );
}
