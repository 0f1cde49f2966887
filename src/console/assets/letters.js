// Dead letters: which topics hold some, why, and sending them back or throwing them away.

import { ask, path } from './api.js';
import { count, many, span, time } from './format.js';
import { action, badge, banner, empty, line, panel, reason, say, sure, table } from './parts.js';
import { h } from './view.js';
import { bodyOf, detail } from './tail.js';


/** Letters shown. */
const SHOWN_MAX = 200;
/** Letters asked for at a time, and how often at most: redriven ones stay until they expire. */
const PAGE = 500;
const PAGES_MAX = 8;
const ORIGINS = { group: 'a group', push: 'pushes', source: 'a source' };
/** Only what a group gave up on has somewhere to go back to. */
const REDRIVABLE = 'group';

let chosen = new Map();
let opened = new Set();
let wanted = { reason: '', key: '', redriven: false };

export function mark(ctx) {
  const depth = ctx.dlq ? ctx.dlq.topics.reduce((sum, one) => sum + one.depth, 0) : 0;
  return depth ? ['warn', depth > 999 ? '999+' : String(depth), many(depth, 'dead letter')] : null;
}

export function enter() {
  chosen = new Map();
  opened = new Set();
  wanted = { reason: '', key: '', redriven: false };
}

export async function load(ctx) {
  if (!ctx.args[0]) return null;
  const records = [];
  let from = 'start';
  for (let page = 0; page < PAGES_MAX && records.length < SHOWN_MAX; page += 1) {
    const query = new URLSearchParams({ limit: String(PAGE), from });
    if (wanted.reason) query.set('reason', wanted.reason);
    if (wanted.key) query.set('key', wanted.key);
    const answer = await ask(`${path('dlq', ctx.args[0])}?${query}`, { exactly: true });
    records.push(...answer.records.filter((record) => wanted.redriven || !record.redriven));
    if (answer.records.length < PAGE || answer.next === from) break;
    from = answer.next;
  }
  return { records: records.slice(0, SHOWN_MAX) };
}

export function render(ctx) {
  return ctx.args[0] ? one(ctx) : list(ctx);
}

function list(ctx) {
  const head = h('h1', null, 'Dead letters');
  if (!ctx.dlq) return [head, ctx.dlqError ? banner('warn', reason(ctx.dlqError)) : h('p', { class: 'loading' }, 'Loading…')];
  const waiting = ctx.dlq.topics;
  if (!waiting.length) {
    return [head, h('section', { class: 'panel' }, empty('No dead letter', 'A record that a shared group gives up on, a push that does not fit, or a row that cannot be converted would wait here with its reason. What a group gave up on can be sent back to it.', 'penstock dlq list'))];
  }
  const columns = [
    ['Topic', 'name', (topic) => h('a', { href: `#/letters/${encodeURIComponent(topic.topic)}` }, topic.topic)],
    ['From', 'wide', (topic) => ORIGINS[topic.origin] || topic.origin],
    ['Depth', 'number', (topic) => (topic.depth ? badge('warn', count(topic.depth)) : badge('ok', '0'))],
    ['Oldest', 'number', (topic) => (topic.depth ? span(topic.oldest_age_seconds) : '–')],
  ];
  return [head, panel(null, null, table(columns, waiting, (topic) => topic.topic, 'Topics of dead letters'))];
}

function one(ctx) {
  const name = ctx.args[0];
  const summary = ctx.dlq && ctx.dlq.topics.find((topic) => topic.topic === name);
  const depth = summary ? summary.depth : 0;
  const head = [h('p', { class: 'crumbs' }, h('a', { href: '#/letters' }, 'Dead letters')), h('h1', { class: 'long-name' }, name),
    h('p', { class: 'depth' }, h('span', { id: 'depth' }, count(depth)), depth === 1 ? ' waits' : ' wait', summary && depth ? `, the oldest for ${span(summary.oldest_age_seconds)}` : '')];
  if (!ctx.data) return [...head, h('p', { class: 'loading' }, 'Loading…')];
  const records = ctx.data.records;
  const open = new Set(records.filter((record) => !record.redriven).map(idOf));
  for (const id of [...chosen.keys()]) if (!open.has(id)) chosen.delete(id);
  const canRedrive = !summary || summary.origin === REDRIVABLE;
  const set = (name, value) => { wanted[name] = value; ctx.refresh(); };
  const reasons = Object.keys((summary && summary.reasons) || {});
  const tools = h('div', { class: 'tools actions' },
    canRedrive && action(chosen.size ? `Redrive ${count(chosen.size)}` : 'Redrive selected', () => redrive(ctx, name, [...chosen.values()]), { kind: 'primary', disabled: !chosen.size, id: 'redrive-selected' }),
    canRedrive && action('Redrive all', () => redriveAll(ctx, name, depth), { disabled: !depth, id: 'redrive-all' }),
    action('Purge', () => purge(ctx, name, depth), { kind: 'danger', disabled: !depth, id: 'purge' }),
    h('label', null, 'Reason', h('select', { onchange: (event) => set('reason', event.target.value) },
      ['', ...reasons].map((word) => h('option', { key: word, value: word, selected: wanted.reason === word }, word || 'any')))),
    h('label', null, 'Key', h('input', { type: 'search', placeholder: 'as its bytes are', value: wanted.key, onchange: (event) => set('key', event.target.value), spellcheck: 'false' })),
    canRedrive && h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: wanted.redriven, onchange: (event) => set('redriven', event.target.checked) }), 'redriven too'));
  if (!records.length) {
    const filtered = wanted.reason || wanted.key;
    return [...head, tools, h('section', { class: 'panel' }, filtered ? empty('No dead letter matches', 'Clear the filters to see all.')
      : empty('Nothing waits here', 'What was redriven goes to its group again; see how far the group is:', `penstock lag ${(summary && summary.group) || ''}`.trim()))];
  }
  return [...head, tools, panel(null, null, h('ol', { class: 'letters', 'aria-label': 'Dead letters' }, records.map((record) => letter(ctx, name, record, canRedrive)))),
    records.length === SHOWN_MAX && h('p', { class: 'fine' }, `The first ${count(SHOWN_MAX)} are shown.`)];
}

const idOf = (record) => `${record.partition}:${record.offset}`;

function letter(ctx, name, record, canRedrive) {
  const id = idOf(record);
  const isOpen = opened.has(id);
  const flip = () => { if (isOpen) opened.delete(id); else opened.add(id); ctx.draw(); };
  const choose = () => { if (chosen.has(id)) chosen.delete(id); else chosen.set(id, record); ctx.draw(); };
  const { topic, partition, offset } = record.origin || {};
  const where = topic ? `${topic} ${partition}:${offset}` : '';
  const tries = record.delivery_count ? many(record.delivery_count, 'delivery', 'deliveries') : '';
  return h('li', { key: id, class: 'letter' },
    h('div', { class: 'letter-line' },
      canRedrive && h('input', { type: 'checkbox', checked: chosen.has(id), disabled: record.redriven, onchange: choose, 'aria-label': `Choose dead letter ${id}` }),
      h('button', { type: 'button', class: 'letter-open', 'aria-expanded': String(isOpen), onclick: flip },
        h('span', { class: 'when' }, time(record.timestamp)), h('span', { class: 'at' }, id),
        record.redriven ? badge('ok', 'redriven') : badge('warn', record.reason),
        h('span', { class: 'key' }, record.key === null || record.key === undefined ? '–' : line(record.key, 60)),
        h('span', { class: 'value' }, line(bodyOf(record.value)))),
      canRedrive && !record.redriven && action('Redrive', () => redrive(ctx, name, [record]), { kind: 'small' })),
    h('p', { class: 'letter-error' }, [where, tries, record.error].filter(Boolean).join(' · ')),
    isOpen && detail({ headers: [], key: null, ...record }));
}

/** Sends letters back, those of one partition at a time, and tells what was refused. */
async function redrive(ctx, name, records) {
  const byPartition = new Map();
  for (const { partition, offset } of records) byPartition.set(partition, [...(byPartition.get(partition) || []), offset]);
  const all = { redriven: 0, refused: [], left: 0 };
  for (const [partition, offsets] of byPartition) add(all, await ask(`${path('dlq', name)}/redrive`, { method: 'POST', body: { partition, offsets } }));
  await tell(ctx, all);
}

async function redriveAll(ctx, name, depth) {
  const yes = await sure(`Redrive all of ${name}?`, `${many(depth, 'record')} will be delivered again to the group that gave up on ${depth === 1 ? 'it' : 'them'}. What fails again comes back here.`, `Redrive ${count(depth)}`, 'good');
  if (!yes) return;
  const all = { redriven: 0, refused: [], left: 0 };
  add(all, await ask(`${path('dlq', name)}/redrive`, { method: 'POST', body: {} }));
  await tell(ctx, all);
}

function add(all, answer) {
  all.redriven += answer.redriven;
  all.refused.push(...(answer.refused || []));
  all.left += answer.left || 0;
}

async function tell(ctx, { redriven, refused, left }) {
  chosen.clear();
  const parts = [`${many(redriven, 'record')} went back to the group`];
  if (refused.length) parts.push(`${count(refused.length)} refused: ${refused[0].detail} – ${refused[0].mend || ''} (${refused[0].code})`);
  if (left) parts.push(`${count(left)} are left: redrive again`);
  say(parts.join('; '), refused.length ? 'bad' : 'info');
  await ctx.refresh();
}

async function purge(ctx, name, depth) {
  const yes = await sure(`Purge ${name}?`, `${many(depth, 'dead letter')} will be thrown away for good. This cannot be taken back.`, `Purge ${count(depth)}`);
  if (!yes) return;
  await ask(path('dlq', name), { method: 'DELETE' });
  chosen.clear();
  say(`${name} was purged`);
  await ctx.refresh();
}
