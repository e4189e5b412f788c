// The table of transfers.
import { buildElement, faultElement, nameElement, sizeText, timeElement } from './build-element.js';

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
      {},
      nameElement(`${transfer.source.bucket}/${transfer.source.key}`),
      buildElement('p', { class: 'quiet' }, transfer.summary),
      transfer.fault === undefined ? null : faultElement(transfer.fault),
    ),
    buildElement('td', { class: 'number' }, sizeColumn(transfer)),
    buildElement('td', { class: 'number' }, String(transfer.attemptCount)),
    buildElement('td', {}, timeElement(transfer.updatedAt)),
    buildElement(
      'td',
      {},
      buildElement(
        'div',
        { class: 'actions' },
        transfer.status === 'copying' ? null : retryButton(transfer, onRetry),
        explain,
      ),
    ),
  );
}

function retryButton(transfer, onRetry) {
  const text = transfer.status === 'done' ? 'Look again' : 'Retry now';
  const button = buildElement('button', { type: 'button' }, text);
  button.addEventListener('click', () => {
    button.disabled = true;
    void onRetry(transfer).finally(() => {
      button.disabled = false;
    });
  });
  return button;
}

function sizeColumn({ status, sizeBytes, bytesDone }) {
  if (sizeBytes === undefined) return '';
  if (status !== 'copying' || sizeBytes === 0) return sizeText(sizeBytes);
  return `${Math.floor((100 * bytesDone) / sizeBytes)} % of ${sizeText(sizeBytes)}`;
}
