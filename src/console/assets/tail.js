// The live tail of a topic: read as a stream, so that a page that cannot keep up makes the server
// wait and not the browser fill. Cut off, it goes on behind the last event it has seen.

import { Refusal, follow, parseExactly, path } from './api.js';
import { count, time } from './format.js';
import { badge, banner, copyable, json, line, reason } from './parts.js';
import { h } from './view.js';

/** Records kept in the page. */
const KEPT_MAX = 200;
/** Characters of a record that are kept; longer ones are shown cut. */
const TEXT_MAX = 1 << 20;
const AGAIN_MS = 2000;
/** Time between two drawings while records come. */
const DRAW_MS = 120;

let tail = null;

const fresh = (topic) => ({ topic, from: '-50', key: '', partition: '', records: [], opened: new Set(), state: 'connecting', error: null, lastId: '', paused: false, count: 0, abort: null });

export function open(ctx) {
  tail = fresh(ctx.args[0]);
  tail.ctx = ctx;
  run(tail);
}

export function close() {
  if (!tail) return;
  stop(tail);
  tail = null;
}

export function visible(isVisible) {
  if (!tail || tail.paused) return;
  if (isVisible) run(tail);
  else stop(tail);
}

function stop(one) {
  if (one.abort) one.abort.abort();
  one.abort = null;
}

async function run(one) {
  stop(one);
  const abort = new AbortController();
  one.abort = abort;
  const isOpen = () => one === tail && one.abort === abort;
  while (isOpen()) {
    one.state = 'live';
    one.error = null;
    draw(one);
    try {
      await follow(address(one), { lastId: one.lastId, signal: abort.signal, take: (event) => take(one, event, isOpen) });
      if (!isOpen()) return;
      one.state = 'waiting';
    } catch (error) {
      if (!isOpen()) return;
      one.error = error;
      one.state = 'waiting';
      if (error instanceof Refusal && error.status < 500) {
        one.state = 'refused';
        one.abort = null;
        draw(one);
        return;
      }
    }
    draw(one);
    await pause(AGAIN_MS);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function address(one) {
  const query = new URLSearchParams({ from: one.from });
  if (one.key) query.set('key', one.key);
  if (one.partition !== '') query.set('partition', one.partition);
  return `${path('topics', one.topic, 'records')}?${query}`;
}

async function take(one, event, isOpen) {
  if (!isOpen()) return;
  if (event.id) one.lastId = event.id;
  if (!event.data) return;
  if (event.event === 'end') {
    const problem = JSON.parse(event.data);
    one.error = { message: problem.detail, mend: problem.mend, code: problem.code };
    return;
  }
  one.count += 1;
  one.records.unshift(recordOf(event.data));
  if (one.records.length > KEPT_MAX) {
    for (const gone of one.records.splice(KEPT_MAX)) one.opened.delete(gone.id);
  }
  if (Date.now() - (one.drawn || 0) >= DRAW_MS) {
    draw(one);
    // Lets the page breathe; the stream waits meanwhile.
    await pause(0);
  } else if (!one.later) {
    one.later = setTimeout(() => { one.later = 0; draw(one); }, DRAW_MS);
  }
}

export function recordOf(text) {
  if (text.length > TEXT_MAX) {
    const { topic, partition, offset, timestamp } = JSON.parse(text);
    return { id: `${partition}:${offset}`, topic, partition, offset, timestamp, key: null, value: `${text.slice(0, TEXT_MAX)}…`, headers: [], isCut: true };
  }
  const record = parseExactly(text);
  record.id = `${record.partition}:${record.offset}`;
  return record;
}

function draw(one) {
  one.drawn = Date.now();
  if (one === tail) one.ctx.draw();
}

function restart(one) {
  one.records = [];
  one.opened.clear();
  one.lastId = '';
  one.paused = false;
  run(one);
}

export function render(ctx, topic) {
  if (!tail) return null;
  const one = tail;
  const partitions = topic ? topic.partition_offsets.map((at) => at.partition) : [];
  return h('section', { class: 'panel tail' },
    h('div', { class: 'panel-head' }, h('h2', null, 'Live tail'), stateOf(one),
      h('div', { class: 'aside' }, h('span', { class: 'fine' }, `${count(one.count)} seen`),
        h('button', { type: 'button', class: 'small', id: 'tail-pause', 'aria-pressed': String(one.paused), onclick: () => toggle(one) }, one.paused ? 'Go on' : 'Pause'))),
    controls(one, partitions),
    one.error && one.state !== 'live' && banner(one.state === 'refused' ? 'bad' : 'warn', reason(one.error),
      one.state === 'refused' && h('button', { type: 'button', class: 'small', onclick: () => { one.from = 'start'; restart(one); } }, 'Read from the start')),
    one.records.length ? h('ol', { class: 'records', 'aria-label': 'Records, the newest first' }, one.records.map((record) => row(one, record)))
      : h('div', { class: 'empty' }, h('h3', null, one.key || one.partition !== '' ? 'Nothing matches yet' : 'No record yet'),
        h('p', null, 'Records appear here as they are written. The same in a shell:'),
        copyable(`curl -N -H 'Accept: text/event-stream' '${location.origin}${address(one)}'`)));
}

const STATES = { connecting: ['idle', 'connecting'], live: ['ok', 'live'], waiting: ['warn', 'reconnecting'], refused: ['bad', 'refused'] };

function stateOf(one) {
  const [kind, text] = one.paused ? ['idle', 'paused'] : STATES[one.state];
  return badge(kind, text);
}

function toggle(one) {
  one.paused = !one.paused;
  if (one.paused) stop(one);
  else run(one);
  one.ctx.draw();
}

function controls(one, partitions) {
  const set = (name) => (event) => { one[name] = event.target.value; restart(one); };
  return h('div', { class: 'tools' },
    h('label', null, 'From', h('select', { onchange: set('from') },
      [['-50', 'the last 50'], ['end', 'now'], ['-1h', 'one hour ago'], ['-1d', 'one day ago'], ['start', 'the start']].map(([value, text]) => h('option', { value, key: value, selected: one.from === value }, text)))),
    h('label', null, 'Key', h('input', { type: 'search', placeholder: 'as its bytes are', value: one.key, onchange: set('key'), spellcheck: 'false', autocapitalize: 'off' })),
    partitions.length > 1 && h('label', null, 'Partition', h('select', { onchange: set('partition') },
      h('option', { value: '', selected: one.partition === '' }, 'all'), partitions.map((id) => h('option', { value: String(id), key: `p${id}`, selected: one.partition === String(id) }, id)))));
}

function row(one, record) {
  const isOpen = one.opened.has(record.id);
  const toggleRow = () => {
    if (isOpen) one.opened.delete(record.id);
    else one.opened.add(record.id);
    one.ctx.draw();
  };
  return h('li', { key: record.id, class: 'record' },
    h('button', { type: 'button', class: 'record-line', 'aria-expanded': String(isOpen), onclick: toggleRow },
      h('span', { class: 'when' }, time(record.timestamp)),
      h('span', { class: 'at' }, record.id),
      h('span', { class: 'what' }, opBadge(record.value)),
      h('span', { class: 'key' }, record.key === null ? '–' : line(keyOf(record.key), 60)),
      h('span', { class: 'value' }, line(bodyOf(record.value)))),
    isOpen && detail(record));
}

/** Everything of a record. */
export function detail(record) {
  return h('div', { class: 'detail' },
    record.key !== null && h('div', null, h('h4', null, record.key_encoding ? 'Key (base64)' : 'Key'), json(record.key)),
    h('div', null, h('h4', null, record.value_encoding ? 'Value (base64)' : record.isCut ? 'Value (cut)' : 'Value'), json(record.value)),
    record.headers && record.headers.length > 0 && h('div', null, h('h4', null, 'Headers'),
      h('dl', { class: 'headers' }, record.headers.map((header, index) => h('div', { key: String(index) }, h('dt', null, header.key), h('dd', null, line(header.value, 2000)))))));
}

const OPS = { c: ['ok', 'create'], u: ['busy', 'update'], d: ['warn', 'delete'], r: ['idle', 'read'], t: ['warn', 'truncate'], m: ['idle', 'message'] };

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The payload of an envelope that carries its schema. */
const payloadOf = (value) => (isObject(value) && isObject(value.payload) && 'schema' in value ? value.payload : value);

function opBadge(value) {
  if (value === null) return badge('warn', 'tombstone');
  const change = payloadOf(value);
  const known = isObject(change) && isObject(change.source) ? OPS[change.op] : null;
  return known ? badge(known[0], known[1]) : null;
}

const keyOf = (key) => (isObject(key) && 'schema' in key && 'payload' in key ? key.payload : key);

/** What a change is about: the row after it, or before where there is none after. */
export function bodyOf(value) {
  const change = payloadOf(value);
  if (!isObject(change) || !isObject(change.source) || !('op' in change)) return value;
  return change.after ?? change.before ?? change.message ?? value;
}
