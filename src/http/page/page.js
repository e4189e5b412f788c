// The live page: asks the API every two seconds while somebody looks, and shows what it says.
import { forgetKey, get, post, Refusal, rememberKey } from './api.js';
import { buildElement, durationText } from './build-element.js';
import { storyElement } from './object-story.js';
import { parkedElements } from './parked-list.js';
import { transferRow } from './transfer-list.js';

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
/** The last lists as text, so that an unchanged one leaves focus and selection alone. */
let shownList = '';
let shownParked = '';
let timer = 0;
/** Grows with every round: an answer of an older round is dropped. */
let round = 0;

async function refresh() {
  clearTimeout(timer);
  round += 1;
  const mine = round;
  let isRefused = false;
  try {
    const [status, page, parked] = await Promise.all([
      get('v1/status'),
      get('v1/transfers', listParameters()),
      get('v1/parked'),
    ]);
    if (mine !== round) return;
    showNotice('notice', null);
    showStatus(status);
    showParked(parked);
    showList(page);
  } catch (error) {
    if (mine !== round) return;
    isRefused = needsOtherKey(error);
    if (isRefused) keyForm.hidden = false;
    showNotice('notice', error);
  }
  // Without a key that fits, asking again would only fill the log of the service.
  if (!document.hidden && !isRefused) timer = setTimeout(refresh, POLL_MS);
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

function showStatus({ version, auth, uptimeMs, counts, oldestPending, ready, checks }) {
  const failing = checks.filter((check) => !check.isOk).map((check) => check.name);
  const state = ready ? 'ready' : `not ready${failing.length > 0 ? `: ${failing.join(', ')}` : ''}`;
  const warning = auth === 'none' ? ', authentication is switched off' : '';
  part('service').textContent = `version ${version}, up ${durationText(uptimeMs)}, ${state}${warning}`;
  part('change-key').hidden = auth !== 'keys';
  part('counts').replaceChildren(
    countElement('Queued', String(counts.queued)),
    countElement('Copying', String(counts.copying)),
    countElement('Settling', String(counts.settling)),
    countElement('Parked', String(counts.parked), counts.parked > 0),
    countElement('Quarantined', String(counts.quarantined), counts.quarantined > 0),
    countElement('Oldest waiting', oldestPending === null ? 'none' : durationText(oldestPending.ageMs)),
  );
}

function countElement(term, value, isAlarm = false) {
  const attributes = isAlarm ? { class: 'alarm' } : {};
  return buildElement('div', attributes, buildElement('dt', {}, term), buildElement('dd', {}, value));
}

function showParked({ classes }) {
  const list = JSON.stringify(classes);
  if (list === shownParked) return;
  shownParked = list;
  part('parked-section').hidden = classes.length === 0;
  part('parked').replaceChildren(...parkedElements(classes, { onRedrive: redriveClass }));
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
  });
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

/** Does what a button asked for; a failure stays on the page until the next one is pressed. */
async function act(action) {
  showNotice('action-notice', null);
  try {
    await action();
  } catch (error) {
    if (needsOtherKey(error)) keyForm.hidden = false;
    showNotice('action-notice', error);
  }
}

function needsOtherKey(error) {
  return error instanceof Refusal && (error.status === 401 || error.status === 403);
}

function showNotice(id, error) {
  const notice = part(id);
  notice.hidden = error === null;
  if (error === null) notice.textContent = '';
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
  keyForm.hidden = !keyForm.hidden;
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
