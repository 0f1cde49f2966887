// Who pushes how much, by integration, and what was refused.

import { brief, bytes, count } from './format.js';
import { badge, empty, panel, table } from './parts.js';
import { h } from './view.js';

const topicOf = (name) => (name === 'lifecycle' ? 'integrations.lifecycle' : `integrations.${name}.data`);
const kind = (code) => (code < '300' ? 'ok' : code < '500' ? 'warn' : 'bad');
const total = (requests) => Object.values(requests).reduce((sum, one) => sum + one, 0);

/** Counted from the start whether or not anybody pushes to them. */
const ALWAYS = ['lifecycle', 'other'];

/** The last looks of each integration, to tell records a second from. */
const last = new Map();

function rate(ctx, one) {
  const now = { ms: ctx.status.now_ms, records: one.pushes.records };
  const before = last.get(one.name);
  if (!before || now.ms !== before.ms) {
    const seconds = before ? (now.ms - before.ms) / 1000 : 0;
    now.rate = seconds > 0 ? Math.max(0, now.records - before.records) / seconds : 0;
    last.set(one.name, now);
  }
  return last.get(one.name).rate;
}

export function render(ctx) {
  const all = (ctx.status.integrations || []).filter((one) => total(one.pushes.requests) > 0 || !ALWAYS.includes(one.name));
  if (!all.length) {
    return [h('h1', null, 'Push'), h('section', { class: 'panel' },
      empty('Nobody has pushed since the start', 'An integration pushes JSON with a token of your Logto; a record is answered with 202 once it is on disk.',
        `curl -X POST ${location.origin}/push/my-integration -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"hello":"world"}'`))];
  }
  const columns = [
    ['Integration', 'name', (one) => (one.name === 'other' ? h('span', { class: 'fine', title: 'Names that are not declared and were refused' }, 'other') : h('a', { href: `#/topics/${encodeURIComponent(topicOf(one.name))}` }, one.name))],
    ['Requests', 'number', (one) => count(total(one.pushes.requests))],
    ['Answers', '', (one) => h('span', { class: 'badges' }, Object.entries(one.pushes.requests).filter(([, n]) => n > 0).map(([code, n]) => h('span', { key: code, class: 'pair' }, badge(kind(code), code), h('span', { class: 'fine' }, brief(n)))))],
    ['Records', 'number', (one) => count(one.pushes.records)],
    ['Bytes', 'number wide', (one) => bytes(one.pushes.bytes)],
    ['Records a second', 'number wide', (one) => brief(rate(ctx, one))],
  ];
  return [h('h1', null, 'Push'), panel(null, null, table(columns, all, (one) => one.name, 'Integrations')),
    h('p', { class: 'fine' }, 'Counted since this server started.')];
}
