// Consumer groups, ordered and shared: who reads, how far, how far behind.

import { ask, path } from './api.js';
import { count, many, span } from './format.js';
import { badge, banner, copyable, empty, facts, panel, table } from './parts.js';
import { h } from './view.js';

export function load(ctx) {
  return ctx.args[0] ? ask(path('groups', ctx.args[0])) : Promise.resolve(null);
}

const stateBadgeOf = (state) => badge(/stable|active/i.test(state) ? 'ok' : /paused/i.test(state) ? 'warn' : /empty|dead/i.test(state) ? 'idle' : 'busy', String(state).toLowerCase());

export function render(ctx) {
  return ctx.args[0] ? one(ctx) : list(ctx);
}

function list(ctx) {
  const { groups, groups_count: all } = ctx.status;
  const kafka = (ctx.status.listeners.kafka || 'HOST:9092').replace('0.0.0.0', location.hostname);
  if (!groups.length) {
    return [h('h1', null, 'Groups'), h('section', { class: 'panel' },
      empty('Nobody reads as a group yet', 'A group keeps its place in the topics it reads. Any Kafka client can be a member of an ordered group.', `kcat -b ${kafka} -G my-group my-topic`),
      empty('Or share the work', 'Members of a shared group take records one by one and say for each whether it is done; what fails comes again, then becomes a dead letter.', `curl -X POST ${location.origin}/groups/my-workers/read -H 'Content-Type: application/json' -d '{"topics":["my-topic"],"max_records":10}'`))];
  }
  const columns = [
    ['Group', 'name', (group) => h('a', { href: `#/groups/${encodeURIComponent(group.group)}` }, group.group)],
    ['Kind', 'wide', (group) => group.kind],
    ['State', '', (group) => stateBadgeOf(group.state)],
    ['Members', 'number wide', (group) => count(group.members)],
    ['Lag', 'number', (group) => count(group.lag)],
  ];
  const aside = all > groups.length ? `the first ${count(groups.length)} of ${count(all)}` : null;
  return [h('h1', null, 'Groups'), panel(null, null, table(columns, groups, (group) => group.group, 'Groups')), aside && h('p', { class: 'fine' }, aside)];
}

function one(ctx) {
  const head = [h('p', { class: 'crumbs' }, h('a', { href: '#/groups' }, 'Groups')), h('h1', { class: 'long-name' }, ctx.args[0])];
  if (!ctx.data) return [...head, h('p', { class: 'loading' }, 'Loading…')];
  const positions = ctx.data.positions || [];
  const lag = positions.reduce((sum, place) => sum + (place.lag || 0), 0);
  return [...head, ...(ctx.data.kind === 'shared' ? sharedGroup(ctx, positions, lag) : orderedGroup(ctx, positions, lag))];
}

function orderedGroup(ctx, positions, lag) {
  const group = ctx.data;
  return [
    panel(null, null, facts([
      ['Kind', group.kind], ['State', stateBadgeOf(group.state)], ['Lag', many(lag, 'record')],
      group.protocol ? ['Protocol', group.protocol] : null,
      group.generation > 0 ? ['Generation', count(group.generation)] : null,
    ])),
    panel('Positions', null, positions.length ? table(PLACES, positions, placeOf, 'Positions')
      : empty('No position is stored yet', 'It appears with the first commit of a member.')),
    panel('Members', null, group.members.length ? table(MEMBERS, group.members, (member) => member.member, 'Members')
      : empty('No member is connected', 'While nobody is, the group can be moved:', `penstock groups seek ${ctx.args[0]} --to start`)),
  ];
}

function sharedGroup(ctx, positions, lag) {
  const group = ctx.data;
  const lags = new Map(positions.map((place) => [placeOf(place), place]));
  const open = (group.open || []).map((place) => ({ ...lags.get(placeOf(place)), ...place }));
  const topics = [...new Set(open.map((place) => place.topic))];
  const { policy = {} } = group;
  const letters = `dlq.${ctx.args[0]}`;
  return [
    group.paused_ms > 0 && h('div', { class: 'banners' }, banner('warn', `Paused for ${span(group.paused_ms / 1000)} more: too many records in a row failed.`)),
    panel(null, null, facts([
      ['Kind', group.kind], ['State', stateBadgeOf(group.state)], ['Lag', many(lag, 'record')],
      ['In flight', count(group.in_flight)], ['Waiting to be tried again', count(group.waiting)],
      ['A record is given up on', `after ${many(policy.delivery_limit, 'delivery', 'deliveries')}`],
      ['A member has it for', span(policy.lease_ms / 1000)],
      ['Back-off', `${span(policy.backoff_ms / 1000)} to ${span(policy.backoff_ms_max / 1000)}`],
      ['Dead letters', policy.dead_letters ? h('a', { href: `#/letters/${encodeURIComponent(letters)}` }, letters) : 'dropped'],
    ])),
    panel('Partitions', null, open.length ? table(OPEN, open, placeOf, 'Partitions') : empty('Nothing was read yet', 'A partition appears with its first delivery.')),
    panel('Read as a member', null, h('div', { class: 'empty' }, copyable(`curl -X POST ${location.origin}${path('groups', ctx.args[0])}/read -H 'Content-Type: application/json' -d '${JSON.stringify({ topics: topics.length ? topics : ['my-topic'], max_records: 10, wait_ms: 5000 })}'`))),
  ];
}

const placeOf = (place) => `${place.topic}:${place.partition}`;
const linked = (place) => h('a', { href: `#/topics/${encodeURIComponent(place.topic)}` }, place.topic);

const PLACES = [
  ['Topic', 'name', linked],
  ['Partition', 'number wide', (place) => place.partition],
  ['Committed', 'number wide', (place) => count(place.committed)],
  ['End', 'number wide', (place) => count(place.end)],
  ['Lag', 'number', (place) => count(place.lag)],
  ['Waiting for', 'number', (place) => (place.lag ? span(place.lag_seconds) : '–')],
];

const OPEN = [
  ['Topic', 'name', linked],
  ['Partition', 'number wide', (place) => place.partition],
  ['Done up to', 'number wide', (place) => count(place.start)],
  ['End', 'number wide', (place) => count(place.end)],
  ['In flight', 'number', (place) => count(place.in_flight)],
  ['Again later', 'number wide', (place) => count(place.waiting)],
  ['Lag', 'number', (place) => count(place.lag)],
];

const MEMBERS = [
  ['Client', 'name', (member) => member.client_id || '–'],
  ['Host', '', (member) => member.client_host || '–'],
  ['Instance', 'wide', (member) => member.instance || '–'],
  ['Member', 'wide name', (member) => h('code', null, member.member)],
];
