// The brakes of the rules that mirror deletes, with the two decisions about what one of them holds.
import { actionButton, buildElement, nameElement, timeElement } from './build-element.js';

/** The elements of all brakes. `onDecide(rule, action)` returns a promise. */
export function brakeElements(brakes, { onDecide }) {
  return brakes.map((brake) => brakeElement(brake, onDecide));
}

function brakeElement(brake, onDecide) {
  const { rule, trippedAt, deletes, limit, windowSec, objects, held } = brake;
  const facts = buildElement('p', {}, 'Rule ', nameElement(rule), ': ');
  if (trippedAt === undefined) facts.append('deletes pass. ');
  else facts.append(buildElement('strong', {}, 'deletes are held'), ' since ', timeElement(trippedAt), '. ');
  facts.append(`${deletes} within ${windowSec} s, at most ${limit}, of about ${objects} objects.`);
  const element = buildElement('div', { class: trippedAt === undefined ? 'quiet' : 'fault' }, facts);
  if (held === 0) return element;
  const objectsText = held === 1 ? '1 object' : `${held} objects`;
  element.append(
    buildElement(
      'p',
      {},
      `${objectsText} would be deleted at the target. To see which, choose the status parked in the list below.`,
    ),
    buildElement(
      'div',
      { class: 'row' },
      twiceButton(`Delete ${objectsText}`, () => onDecide(rule, 'release')),
      twiceButton(`Keep ${objectsText} for good`, () => onDecide(rule, 'reject')),
    ),
  );
  return element;
}

/** A button that does something only when it is pressed a second time: neither decision can be taken back. */
function twiceButton(text, onPress) {
  let isArmed = false;
  const button = actionButton(text, async () => {
    if (isArmed) return onPress();
    isArmed = true;
    button.textContent = `${text}: press again`;
  });
  return button;
}
