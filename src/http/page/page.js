// The live page: asks the API every two seconds while somebody looks, and shows what it says.
import { forgetKey, get, hasKey, post, Refusal, rememberKey } from './api.js';
import { alertElements } from './alert-list.js';
import { buildElement, durationText } from './build-element.js';
import { storyElement } from './object-story.js';
import { brakeElements } from './brake-list.js';
import { parkedElements } from './parked-list.js';
import { quarantinedElement, transferRow } from './transfer-list.js';

const POLL_MS = 2000;
const PAGE_SIZE = 50;

/** @returns {any} the element of this id, which index.html has */
const part = (id) => document.getElementById(id);
const keyForm = part('key-form');
const filterForm = part('filter-form');
const storyForm = part('story-form');

/** Null: the newest transfers, refreshed. A cursor: an older page, which stands still. */
let cursor = null;
let olderCursor = null;
let olderQuarantine = null;
/** The last lists as text, so that an unchanged one leaves focus and selection alone. */
let shownList = '';
let shownParked = '';
let shownBrakes = '';
let shownAlerts = '';
let timer = 0;
/** Grows with every round: an answer of an older round is dropped. */
let round = 0;

async function refresh() {
  clearTimeout(timer);
  round += 1;
  const mine = round;
  let isLocked = false;
  try {
    const [status, page, parked, alerts, brakes] = await Promise.all([
      get('v1/status'),
      get('v1/transfers', listParameters()),
      get('v1/parked'),
      get('v1/alerts'),
      get('v1/brakes'),
    ]);
    if (mine !== round) return;
    showNotice('notice', null);
    showStatus(status);
    showAlerts(alerts);
    showBrakes(brakes);
    showParked(parked);
    showList(page);
  } catch (error) {
    if (mine !== round) return;
    isLocked = needsOtherKey(error);
    if (isLocked) lock(error);
    else {
      showState('failing', 'not reachable');
      showNotice('notice', error);
    }
  }
  // Without a key that fits, asking again would only fill the log of the service.
  if (!document.hidden && !isLocked) timer = setTimeout(refresh, POLL_MS);
}

/** Nothing can be shown with this key or without one: says which is needed, and nothing else stays on the page. */
function lock(error) {
  part('data').hidden = true;
  part('api-docs').hidden = true;
  part('change-key').hidden = true;
  showState('locked', 'locked: an API key is needed');
  askForKey('read or admin');
  if (hasKey()) showNotice('notice', error);
  else showNotice('notice', null);
}

function askForKey(scopes) {
  part('key-label').textContent = `Enter an API key of scope ${scopes}`;
  keyForm.hidden = false;
}

function showState(kind, text, facts = '') {
  part('service').replaceChildren(buildElement('span', { class: `state ${kind}` }, text), facts);
}

function listParameters() {
  const fields = new FormData(filterForm);
  return {
    status: textOf(fields, 'status'),
    prefix: textOf(fields, 'prefix'),
    cursor: cursor ?? '',
    limit: String(PAGE_SIZE),
  };
}

/** A field of a form as text; the forms of this page hold no files. */
function textOf(fields, name) {
  const value = fields.get(name);
  return typeof value === 'string' ? value : '';
}

function showStatus({ version, auth, uptimeMs, counts, oldestPending, stores, sqs, ready, checks }) {
  const failing = checks.filter((check) => !check.isOk).map((check) => check.name);
  const state = ready ? 'ready' : `not ready${failing.length > 0 ? `: ${failing.join(', ')}` : ''}`;
  const warning = auth === 'none' ? ', authentication is switched off' : '';
  const waiting = stores
    .filter(({ down }) => down !== null)
    .map(({ store, down }) => `, the ${store} is down since ${new Date(down.since).toLocaleString()}`)
    .join('');
  const unheard =
    sqs === null || sqs.trouble === null
      ? ''
      : `, SQS cannot be used since ${new Date(sqs.trouble.since).toLocaleString()}`;
  showState(
    ready ? 'ready' : 'failing',
    state,
    `, version ${version}, up ${durationText(uptimeMs)}${waiting}${unheard}${warning}`,
  );
  part('data').hidden = false;
  part('change-key').hidden = auth !== 'keys';
  // A link cannot carry the key.
  part('api-docs').hidden = auth === 'keys';
  for (const name of ['queued', 'copying', 'settling', 'parked', 'quarantined']) {
    const count = part(`count-${name}`);
    count.textContent = String(counts[name]);
    count.classList.toggle('alarm', counts[name] > 0 && (name === 'parked' || name === 'quarantined'));
  }
  part('open-quarantine').hidden = counts.quarantined === 0;
  part('oldest-waiting').textContent = oldestPending === null ? 'none' : durationText(oldestPending.ageMs);
}

function showAlerts({ alerts, receiver }) {
  const list = JSON.stringify({ alerts, receiver });
  if (list === shownAlerts) return;
  shownAlerts = list;
  part('alerts-section').hidden = alerts.length === 0;
  part('alerts').replaceChildren(...alertElements(alerts, receiver));
}

function showParked({ classes }) {
  const list = JSON.stringify(classes);
  if (list === shownParked) return;
  shownParked = list;
  part('parked-section').hidden = classes.length === 0;
  part('parked').replaceChildren(...parkedElements(classes, { onRedrive: redriveClass }));
}

function showBrakes({ brakes }) {
  const list = JSON.stringify(brakes);
  if (list === shownBrakes) return;
  shownBrakes = list;
  part('brakes-section').hidden = brakes.length === 0;
  part('brakes').replaceChildren(...brakeElements(brakes, { onDecide: decideBrake }));
}

async function decideBrake(rule, action) {
  await act(async () => {
    await post(`v1/rules/${encodeURIComponent(rule)}/brake`, { action });
    await refresh();
  }, 'admin');
}

async function redriveClass({ rule, fault }) {
  await act(async () => {
    await post('v1/redrive', { rule, fault: fault.code });
    await refresh();
  });
}

function showList({ transfers, nextCursor }) {
  olderCursor = nextCursor;
  part('older').hidden = nextCursor === null;
  part('newest').hidden = cursor === null;
  part('no-transfers').hidden = transfers.length > 0;
  const list = JSON.stringify(transfers);
  if (list === shownList) return;
  shownList = list;
  part('transfers').replaceChildren(
    ...transfers.map((transfer) => transferRow(transfer, { onRetry: retry, onExplain: explainObject })),
  );
}

async function retry(transfer) {
  await act(async () => {
    await post(`v1/transfers/${encodeURIComponent(transfer.id)}/retry`);
    await refresh();
  }, 'admin');
}

/** The newest records in quarantine, or those behind a cursor. */
async function showQuarantine(from) {
  await act(async () => {
    const { records, nextCursor } = await get('v1/quarantine', { limit: String(PAGE_SIZE), cursor: from });
    const elements = records.map((record) => quarantinedElement(record, wholeRecord));
    if (from === '') part('quarantine').replaceChildren(...elements);
    else part('quarantine').append(...elements);
    olderQuarantine = nextCursor;
    part('older-quarantine').hidden = nextCursor === null;
    part('quarantine-panel').hidden = false;
  });
}

/** Null where it could not be had; the page says why. */
async function wholeRecord(id) {
  let record = null;
  await act(async () => {
    record = await get(`v1/quarantine/${encodeURIComponent(id)}`);
  });
  return record;
}

/** Explains the object with this very key: a text field would drop line breaks of it. */
async function explainObject({ bucket, key }) {
  storyForm.elements.namedItem('bucket').value = bucket;
  storyForm.elements.namedItem('key').value = key;
  part('story-title').scrollIntoView({ block: 'nearest' });
  const story = part('story');
  story.replaceChildren(buildElement('p', { class: 'quiet' }, 'Looking at both stores'));
  await act(async () => {
    const answer = await get('v1/objects/explain', { bucket, key }).catch((error) => {
      story.replaceChildren();
      throw error;
    });
    story.replaceChildren(storyElement(answer));
  });
}

/**
 * Does what a button asked for; a failure stays on the page until the next one is pressed. `scopes` are those of
 * keys that may do it.
 */
async function act(action, scopes = 'read or admin') {
  showNotice('action-notice', null);
  try {
    await action();
  } catch (error) {
    if (needsOtherKey(error)) askForKey(scopes);
    showNotice('action-notice', error);
  }
}

function needsOtherKey(error) {
  return error instanceof Refusal && (error.code === 'unauthorized' || error.code === 'insufficient_scope');
}

function showNotice(id, error) {
  const notice = part(id);
  notice.hidden = error === null;
  if (error === null) notice.textContent = '';
  else if (needsOtherKey(error)) notice.textContent = error.message;
  else if (error instanceof Refusal) notice.textContent = `${error.title}. ${error.message} ${error.remedy}`;
  else notice.textContent = `The service cannot be reached: ${error.message}. Trying again.`;
}

keyForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const field = part('api-key');
  forgetKey();
  rememberKey(field.value.trim());
  field.value = '';
  keyForm.hidden = true;
  showNotice('action-notice', null);
  void refresh();
});

filterForm.addEventListener('submit', (event) => event.preventDefault());
filterForm.addEventListener('input', () => {
  cursor = null;
  void refresh();
});

storyForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = new FormData(storyForm);
  void explainObject({ bucket: textOf(fields, 'bucket'), key: textOf(fields, 'key') });
});

part('change-key').addEventListener('click', () => {
  if (keyForm.hidden) askForKey('read or admin');
  else keyForm.hidden = true;
});
part('open-quarantine').addEventListener('click', () => void showQuarantine(''));
part('older-quarantine').addEventListener('click', () => void showQuarantine(olderQuarantine));
part('close-quarantine').addEventListener('click', () => {
  part('quarantine-panel').hidden = true;
});
part('older').addEventListener('click', () => {
  cursor = olderCursor;
  void refresh();
});
part('newest').addEventListener('click', () => {
  cursor = null;
  void refresh();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});

void refresh();
