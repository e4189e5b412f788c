// The two lists of the page: transfers, and records that could not be read.
import {
  actionButton,
  buildElement,
  faultElement,
  nameElement,
  sizeText,
  timeElement,
} from './build-element.js';

/**
 * One row. `onRetry(transfer)` and `onExplain(source)` are called by its buttons.
 */
export function transferRow(transfer, { onRetry, onExplain }) {
  const explain = buildElement('button', { type: 'button' }, 'Explain');
  explain.addEventListener('click', () => onExplain(transfer.source));
  return buildElement(
    'tr',
    {},
    buildElement('td', {}, buildElement('span', { class: `status ${transfer.status}` }, transfer.status)),
    buildElement(
      'td',
      { class: 'object' },
      nameElement(`${transfer.source.bucket}/${transfer.source.key}`),
      buildElement('p', { class: 'quiet' }, transfer.summary),
      transfer.fault === undefined || transfer.status === 'done'
        ? null
        : faultElement(transfer.fault, transfer.summary),
    ),
    buildElement('td', { class: 'number' }, sizeColumn(transfer)),
    buildElement('td', { class: 'number' }, transfer.attemptCount === 0 ? '' : String(transfer.attemptCount)),
    buildElement('td', {}, timeElement(transfer.updatedAt)),
    buildElement(
      'td',
      {},
      buildElement(
        'div',
        { class: 'actions' },
        transfer.status === 'copying' ? null : actionButton('Look again', async () => onRetry(transfer)),
        explain,
      ),
    ),
  );
}

function sizeColumn({ status, sizeBytes, bytesDone }) {
  if (sizeBytes === undefined) return '';
  if (status !== 'copying' || sizeBytes === 0) return sizeText(sizeBytes);
  return `${Math.floor((100 * bytesDone) / sizeBytes)} % of ${sizeText(sizeBytes)}`;
}

/** One record in quarantine; `onWhole(id)` answers the whole record where the list has only its beginning. */
export function quarantinedElement(record, onWhole) {
  const text = buildElement('pre', { class: 'name' }, record.raw);
  const element = buildElement(
    'li',
    {},
    buildElement('p', {}, timeElement(record.receivedAt), ' ', buildElement('strong', {}, record.reason)),
    text,
  );
  if (record.rawBytes > new TextEncoder().encode(record.raw).length) {
    const more = actionButton('Show all of it', async () => {
      const whole = await onWhole(record.id);
      if (whole === null) return;
      text.textContent = whole.raw;
      more.remove();
    });
    element.append(more);
  }
  return element;
}
