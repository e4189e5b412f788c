// What is wrong now, with what a person can do about it.
import { buildElement, timeElement } from './build-element.js';

/** The elements of all alerts; `receiver` is null where nobody is told. */
export function alertElements(alerts, receiver) {
  const elements = alerts.map((alert) =>
    buildElement(
      'div',
      { class: 'fault' },
      buildElement('p', {}, buildElement('strong', {}, alert.title)),
      buildElement('p', {}, alert.detail),
      buildElement('p', {}, `What to do: ${alert.remedy}`),
      buildElement(
        'p',
        { class: 'quiet' },
        'Since ',
        timeElement(alert.since),
        ...toldNodes(alert, receiver),
      ),
    ),
  );
  const isSilent = receiver !== null && receiver.failure !== null;
  if (isSilent)
    elements.push(buildElement('p', { class: 'quiet' }, `Messages do not arrive: ${receiver.failure}.`));
  return elements;
}

function toldNodes({ lastSentAt }, receiver) {
  if (receiver === null) return ['.'];
  return lastSentAt === null ? ['. Not told yet.'] : ['. Told ', timeElement(lastSentAt), '.'];
}
