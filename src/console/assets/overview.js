// How everything is, what needs a look, and the first steps where there is nothing yet.

import { brief, bytes, count, many, span } from './format.js';
import { banner, empty, meter, panel, sparkline, stat, stateBadge, table } from './parts.js';
import { h } from './view.js';

/** A disk this close to its floor, as a multiple of it, deserves a look. */
const FLOOR_NEAR = 2;

export function render(ctx) {
  const { status } = ctx;
  const nothing = !status.connectors.length && !status.groups_count && !status.log.appended;
  return [
    h('h1', null, 'Overview'),
    h('div', { class: 'banners' }, banners(ctx)),
    stats(ctx),
    nothing ? firstSteps(status) : [sourcesPanel(status), groupsPanel(status)],
  ];
}

/** Everything that needs a look, the worst first. */
export function banners(ctx) {
  const { status } = ctx;
  const found = [];
  const add = (kind, key, text, href, label) => found.push(h('div', { key }, banner(kind, text, href && h('a', { href }, label))));
  if (status.log.state !== 'writable') add('bad', 'log', `The log refuses appends: ${status.log.reason}`);
  if (status.state === 'stopping') add('warn', 'stopping', 'The server is stopping.');
  for (const one of status.connectors) {
    const measured = one.measured || {};
    if (one.state === 'FAILED') add('bad', `f${one.name}`, `Source ${one.name} has failed: ${one.reason}`, '#/sources', 'Sources');
    if (one.state === 'RETRYING') add('warn', `r${one.name}`, `Source ${one.name} is retrying: ${one.reason}`, '#/sources', 'Sources');
    if (measured.slot_status === 'lost') add('bad', `l${one.name}`, `The slot of ${one.name} is lost: the database has removed WAL it needs.`, '#/sources', 'Sources');
    if (measured.slot_status === 'unreserved') add('bad', `u${one.name}`, `The slot of ${one.name} is about to be lost: the database keeps no more WAL for it.`, '#/sources', 'Sources');
  }
  const depth = depthOf(ctx);
  if (depth > 0) add('warn', 'letters', `${many(depth, 'dead letter')} ${depth === 1 ? 'waits' : 'wait'} to be redriven or purged.`, '#/letters', 'Dead letters');
  const { free_bytes: free, floor_bytes: floor } = status.disk;
  if (free < floor * FLOOR_NEAR && status.log.state === 'writable') add('warn', 'disk', `${bytes(free)} of disk are left; below ${bytes(floor)} appends from outside are refused.`);
  return found;
}

export const depthOf = (ctx) => (ctx.dlq ? ctx.dlq.topics.reduce((sum, one) => sum + one.depth, 0) : 0);

function stats(ctx) {
  const { status, rates } = ctx;
  const rate = rates.length ? rates[rates.length - 1] : 0;
  const running = status.connectors.filter((one) => ['RUNNING', 'SNAPSHOT'].includes(one.state)).length;
  const depth = depthOf(ctx);
  const { free_bytes: free, floor_bytes: floor } = status.disk;
  const lag = status.groups.reduce((sum, one) => sum + (one.lag || 0), 0);
  const spare = Math.max(0, free - floor);
  return h('div', { class: 'stats' },
    stat('Records a second', brief(rate), `${count(status.log.appended)} taken so far`, sparkline(rates, 'Records a second over the last two minutes'), '#/topics'),
    stat('Sources', status.connectors.length ? `${running} of ${status.connectors.length}` : '0', status.connectors.length ? 'running' : 'none declared', null, '#/sources'),
    stat('Dead letters', ctx.dlq ? count(depth) : '–', ctx.dlq ? (depth ? 'waiting for you' : 'none waiting') : 'not answered', null, '#/letters'),
    stat('Lag of groups', brief(lag), many(status.groups_count, 'group'), null, '#/groups'),
    stat('Topics', count(status.log.topics), `${bytes(status.log.bytes)} in ${many(status.log.partitions, 'partition')}`, null, '#/topics'),
    stat('Disk free', bytes(free), `appends go on until ${bytes(floor)}`, meter(spare / Math.max(1, free), free < floor * FLOOR_NEAR ? 'warn' : 'ok', 'Free above the floor')));
}

function sourcesPanel(status) {
  if (!status.connectors.length) return null;
  const measured = (one) => one.measured || {};
  const columns = [
    ['Source', '', (one) => h('a', { href: '#/sources' }, one.name)],
    ['State', '', (one) => stateBadge(one.state)],
    ['Lag', 'number', (one) => span(measured(one).lag_seconds)],
    ['Retained WAL', 'number wide', (one) => bytes(measured(one).slot_retained_bytes)],
    ['Events', 'number', (one) => count(Object.values(measured(one).events || {}).reduce((a, b) => a + b, 0))],
  ];
  return panel('Sources', null, table(columns, status.connectors, (one) => one.name, 'Sources'));
}

function groupsPanel(status) {
  if (!status.groups.length) return null;
  const most = [...status.groups].sort((a, b) => (b.lag || 0) - (a.lag || 0)).slice(0, 8);
  const columns = [
    ['Group', 'name', (one) => h('a', { href: `#/groups/${encodeURIComponent(one.group)}` }, one.group)],
    ['Kind', 'wide', (one) => one.kind],
    ['State', '', (one) => one.state],
    ['Members', 'number wide', (one) => count(one.members)],
    ['Lag', 'number', (one) => count(one.lag)],
  ];
  return panel('Groups that are furthest behind', h('a', { href: '#/groups' }, 'All groups'), table(columns, most, (one) => one.group, 'Groups'));
}

function firstSteps(status) {
  const kafka = (status.listeners.kafka || 'HOST:9092').replace('0.0.0.0', location.hostname);
  return panel('Nothing flows yet', null,
    empty('Capture a database', 'Give the address of a PostgreSQL; every change becomes a record in a topic of its own.', 'PENSTOCK_SOURCE_URL=postgres://user:password@host:5432/db penstock serve'),
    empty('Or write a record yourself', 'Any Kafka client will do; the topic is made on first use.', `echo '{"hello":"world"}' | kcat -P -b ${kafka} -t hello`));
}
