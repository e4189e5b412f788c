// Elements from plain data. Everything that comes from the service is set as text: a key can hold any character,
// and none of them is ever read as markup.

/**
 * @param {string} name of the element
 * @param {Record<string, string>} attributes set as they are
 * @param {...(Node | string | null)} children strings become text; null is left out
 * @returns {HTMLElement}
 */
export function buildElement(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  for (const child of children) {
    if (child === null) continue;
    element.append(typeof child === 'string' ? document.createTextNode(child) : child);
  }
  return element;
}

/** A name that somebody else chose (bucket, key), in a box of its own. */
export function nameElement(text) {
  return buildElement('span', { class: 'name' }, text);
}

/** A button that is dead while what it began goes on. `onPress` returns a promise. */
export function actionButton(text, onPress) {
  const button = buildElement('button', { type: 'button' }, text);
  button.addEventListener('click', () => {
    button.disabled = true;
    void onPress().finally(() => {
      button.disabled = false;
    });
  });
  return button;
}

/** A list of facts; entries whose value is null are left out. Values are strings or nodes. */
export function factList(entries) {
  const rows = entries
    .filter(([, value]) => value !== null && value !== undefined)
    .flatMap(([term, value]) => [buildElement('dt', {}, term), buildElement('dd', {}, value)]);
  return buildElement('dl', { class: 'facts' }, ...rows);
}

/** What went wrong and what to do about it; `summary` is what stands beside it and may have told the title. */
export function faultElement(fault, summary = '') {
  const isTitleTold = summary.includes(fault.title);
  return buildElement(
    'div',
    { class: 'fault' },
    isTitleTold ? null : buildElement('p', {}, buildElement('strong', {}, fault.title)),
    buildElement('p', {}, fault.message),
    buildElement('p', { class: 'quiet' }, `What to do: ${fault.remedy}`),
  );
}

/** 1536 -> "1.5 KiB". */
export function sizeText(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 95000 -> "1 min 35 s". */
export function durationText(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** A time in the reader's own zone; the exact one is in the title. */
export function timeElement(iso) {
  return buildElement('time', { datetime: iso, title: iso }, new Date(iso).toLocaleString());
}
