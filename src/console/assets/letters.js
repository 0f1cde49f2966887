// Dead letters: which topics hold some, why, and sending them back or throwing them away.

import { ask, path } from './api.js';
import { count, many, span, time } from './format.js';
import { action, badge, banner, empty, line, panel, reason, say, sure, table } from './parts.js';
import { h } from './view.js';
import { bodyOf, detail } from './tail.js';


const LIMIT = 200;
const ORIGINS = { group: 'a group', push: 'pushes', source: 'a source' };
/** Reasons that say that nobody could work the record off. */
const REDRIVABLE = 'group';

let chosen = new Set();
let opened = new Set();
let wantedReason = '';

export function mark(ctx) {
  const depth = ctx.dlq ? ctx.dlq.topics.reduce((sum, one) => sum + one.depth, 0) : 0;
  return depth ? ['warn', depth > 999 ? '999+' : String(depth), many(depth, 'dead letter')] : null;
}

export function enter() {
  chosen = new Set();
  opened = new Set();
  wantedReason = '';
}

export function load(ctx) {
  if (!ctx.args[0]) return Promise.resolve(null);
  const query = new URLSearchParams({ limit: String(LIMIT) });
  if (wantedReason) query.set('reason', wantedReason);
  return ask(`${path('dlq', ctx.args[0])}?${query}`, { exactly: true });
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
  const offsets = new Set(records.map((record) => record.offset));
  for (const offset of chosen) if (!offsets.has(offset)) chosen.delete(offset);
  const canRedrive = !summary || summary.origin === REDRIVABLE;
  const tools = h('div', { class: 'tools actions' },
    h('input', { type: 'search', placeholder: 'Filter by reason', 'aria-label': 'Filter by reason', value: wantedReason, onchange: (event) => { wantedReason = event.target.value.trim(); ctx.refresh(); } }),
    canRedrive && action(chosen.size ? `Redrive ${count(chosen.size)}` : 'Redrive selected', () => redrive(ctx, name, [...chosen]), { kind: 'primary', disabled: !chosen.size, id: 'redrive-selected' }),
    canRedrive && action('Redrive all', () => redriveAll(ctx, name, depth), { disabled: !depth, id: 'redrive-all' }),
    action('Purge', () => purge(ctx, name, depth), { kind: 'danger', disabled: !depth, id: 'purge' }));
  if (!records.length) {
    return [...head, wantedReason ? tools : null, h('section', { class: 'panel' }, wantedReason ? empty('No dead letter has this reason', 'Clear the filter to see all.')
      : empty('Nothing waits here', 'What was redriven goes to its group again; see how far the group is:', 'penstock lag'))];
  }
  return [...head, tools, panel(null, null, h('ol', { class: 'letters', 'aria-label': 'Dead letters' }, records.map((record) => letter(ctx, name, record, canRedrive)))),
    depth > records.length && h('p', { class: 'fine' }, `The first ${count(records.length)} are shown.`)];
}

function letter(ctx, name, record, canRedrive) {
  const { offset } = record;
  const isOpen = opened.has(offset);
  const flip = (set) => () => { if (set.has(offset)) set.delete(offset); else set.add(offset); ctx.draw(); };
  return h('li', { key: String(offset), class: 'letter' },
    h('div', { class: 'letter-line' },
      canRedrive && h('input', { type: 'checkbox', checked: chosen.has(offset), onchange: flip(chosen), 'aria-label': `Choose dead letter ${offset}` }),
      h('button', { type: 'button', class: 'letter-open', 'aria-expanded': String(isOpen), onclick: flip(opened) },
        h('span', { class: 'when' }, time(record.timestamp)), h('span', { class: 'at' }, `#${offset}`), badge('warn', record.reason || 'unknown'),
        h('span', { class: 'key' }, record.key === null || record.key === undefined ? '–' : line(record.key, 60)),
        h('span', { class: 'value' }, line(bodyOf(record.value)))),
      canRedrive && action('Redrive', () => redrive(ctx, name, [offset]), { kind: 'small' })),
    record.error && h('p', { class: 'letter-error' }, record.error),
    isOpen && detail({ headers: [], key: null, ...record }));
}

async function redrive(ctx, name, offsets) {
  const { redriven } = await ask(`${path('dlq', name)}/redrive`, { method: 'POST', body: { offsets } });
  chosen.clear();
  say(`${many(redriven, 'record')} went back to ${redriven === 1 ? 'its group' : 'their group'}`);
  await ctx.refresh();
}

async function redriveAll(ctx, name, depth) {
  const yes = await sure(`Redrive all of ${name}?`, `${many(depth, 'record')} will be delivered again to the group that gave up on them. Nothing is lost: what fails again comes back here.`, `Redrive ${count(depth)}`, 'good');
  if (!yes) return;
  const { redriven } = await ask(`${path('dlq', name)}/redrive`, { method: 'POST', body: {} });
  chosen.clear();
  say(`${many(redriven, 'record')} went back`);
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
