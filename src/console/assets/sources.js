// The connectors: state and reason, how far behind, the slot, the snapshot, and a restart.

import { ask, path } from './api.js';
import { bytes, count, many, span, time } from './format.js';
import { action, badge, banner, empty, facts, say, stateBadge } from './parts.js';
import { h } from './view.js';

const OPS = { c: 'created', u: 'updated', d: 'deleted', r: 'read', t: 'truncated', m: 'messages' };
const SLOT = { reserved: 'ok', extended: 'warn', unreserved: 'bad', lost: 'bad' };

export function mark(ctx) {
  const bad = ctx.status && Array.isArray(ctx.status.connectors) ? ctx.status.connectors.filter((one) => one.state === 'FAILED' || one.state === 'RETRYING').length : 0;
  return bad ? ['bad', String(bad), `${bad} not running`] : null;
}

export function render(ctx) {
  const all = ctx.status.connectors;
  if (!all.length) {
    return [h('h1', null, 'Sources'), h('section', { class: 'panel' },
      empty('No source is declared', 'Give the address of a PostgreSQL, or put a Debezium connector file into the folder cdc and start again.', 'PENSTOCK_SOURCE_URL=postgres://user:password@host:5432/db penstock serve'),
      empty('Not sure that the database is ready?', 'This checks a configuration and its connector files, and says what to mend.', 'penstock check'))];
  }
  return [h('h1', null, 'Sources'), all.map((one) => source(ctx, one))];
}

function source(ctx, one) {
  const measured = one.measured || {};
  const since = Math.max(0, ctx.status.now_ms - one.since_ms) / 1000;
  return h('section', { class: 'panel', key: one.name },
    h('div', { class: 'panel-head' },
      h('h2', null, one.name), stateBadge(one.state),
      h('span', { class: 'fine' }, `for ${span(since)}`),
      h('div', { class: 'aside' }, action('Restart', () => restart(ctx, one.name), { kind: 'small', title: 'Ends the run and begins a new one at the stored position' }))),
    one.reason && banner(one.state === 'FAILED' ? 'bad' : one.state === 'RETRYING' ? 'warn' : 'info', one.reason),
    one.snapshot && one.state === 'SNAPSHOT' && snapshot(one.snapshot),
    facts([
      ['Lag', [span(measured.lag_seconds), measured.lag_bytes ? h('span', { class: 'fine' }, ` ${bytes(measured.lag_bytes)}`) : null]],
      ['Slot', [one.slot ? h('code', null, one.slot) : '–', ' ', measured.slot_status ? badge(SLOT[measured.slot_status] || 'idle', measured.slot_status) : null, ' ', !one.slot ? null : !measured.slot_status ? h('span', { class: 'fine' }, 'not seen yet') : measured.slot_active ? null : h('span', { class: 'fine' }, 'not in use')]],
      ['WAL kept for it', measured.slot_status ? bytes(measured.slot_retained_bytes) : '–'],
      ['WAL until it is in danger', !measured.slot_status ? '–' : measured.slot_safe_bytes ? bytes(measured.slot_safe_bytes) : 'no limit is set'],
      ['Topics', one.topic_prefix ? h('a', { href: '#/topics' }, `${one.topic_prefix}.*`) : '–'],
      ['Reconnects', count(measured.reconnects)],
      one.snapshot && one.state !== 'SNAPSHOT' ? ['Snapshot', `${many(one.snapshot.rows, 'row')} of ${many(one.snapshot.tables, 'table')}`] : null,
    ]),
    h('div', { class: 'ops' }, Object.entries(OPS).map(([op, name]) => h('div', { class: 'op', key: op }, h('span', { class: 'fine' }, name), h('span', { class: 'op-count' }, count((measured.events || {})[op] || 0))))),
    positions(one.positions),
    one.warnings.length ? h('details', null, h('summary', null, `${one.warnings.length} of its settings have a warning`), h('ul', { class: 'plain' }, one.warnings.map((text) => h('li', null, text)))) : null);
}

function snapshot(progress) {
  const now = progress.table ? `reading ${progress.table}, ${many(progress.table_rows, 'row')} of it so far` : 'preparing';
  return h('div', { class: 'snapshot' },
    h('progress', { max: Math.max(1, progress.tables), value: progress.tables_done, 'aria-label': 'Tables read' }),
    h('span', null, `${count(progress.tables_done)} of ${many(progress.tables, 'table')}, ${many(progress.rows, 'row')}; ${now}`));
}

function positions(all) {
  const names = [['received', 'received'], ['appended', 'appended'], ['durable', 'durable'], ['confirmed', 'confirmed']];
  return h('details', null, h('summary', null, 'Positions in the WAL'),
    facts(names.map(([key, name]) => [name, h('code', null, all[key])])));
}

async function restart(ctx, name) {
  await ask(`${path('connectors', name)}/restart`, { method: 'POST' });
  say(`${name} was restarted at ${time(Date.now())}`);
  await ctx.refresh();
}
