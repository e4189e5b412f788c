// What is parked, reason by reason, with the button that runs all of one reason again.
import { buildElement, nameElement, timeElement } from './build-element.js';

/** The elements of all classes. `onRedrive(class)` is called by the button of each. */
export function parkedElements(classes, { onRedrive }) {
  return classes.map((parked) => parkedElement(parked, onRedrive));
}

function parkedElement(parked, onRedrive) {
  const { rule, fault, count, firstAt, lastAt, isRechecked, example } = parked;
  const hint = isRechecked ? ' One of them is tried every 15 minutes.' : '';
  const facts = buildElement('p', { class: 'quiet' }, 'Rule ', nameElement(rule), ', parked from ');
  facts.append(timeElement(firstAt), ' to ', timeElement(lastAt), '.', hint);
  return buildElement(
    'div',
    { class: 'fault parked-class' },
    buildElement('p', {}, buildElement('strong', {}, `${count} × ${fault.title}`)),
    buildElement('p', {}, `What to do: ${fault.remedy}`),
    example?.fault === undefined
      ? null
      : buildElement('p', { class: 'quiet' }, `For example: ${example.fault.message}`),
    facts,
    // Held deletes are decided about with their brake, which is shown above.
    fault.code === 'delete_brake' ? null : redriveButton(parked, onRedrive),
  );
}

function redriveButton(parked, onRedrive) {
  const text = parked.count === 1 ? 'Run it again' : `Run all ${parked.count} again`;
  const button = buildElement('button', { type: 'button' }, text);
  button.addEventListener('click', () => {
    button.disabled = true;
    void onRedrive(parked).finally(() => {
      button.disabled = false;
    });
  });
  return button;
}
