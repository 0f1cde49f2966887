// Consumer groups, ordered and shared: who reads, how far, how far behind.

import { ask, path } from './api.js';
import { count, span } from './format.js';
import { badge, copyable, empty, facts, panel, table } from './parts.js';
import { h } from './view.js';

export function load(ctx) {
  return ctx.args[0] ? ask(path('groups', ctx.args[0])) : Promise.resolve(null);
}

const stateBadgeOf = (state) => badge(/stable|active/i.test(state) ? 'ok' : /empty|dead/i.test(state) ? 'idle' : 'busy', String(state).toLowerCase());

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
  const head = [h('p', { class: 'crumbs' }, h('a', { href: '#/groups' }, 'Groups')), h('h1', null, ctx.args[0])];
  if (!ctx.data) return [...head, h('p', { class: 'loading' }, 'Loading…')];
  const group = ctx.data;
  const positions = group.positions || [];
  const lag = positions.reduce((sum, place) => sum + (place.lag || 0), 0);
  const isShared = group.kind === 'shared';
  return [...head,
    panel(null, null, facts([
      ['Kind', group.kind], ['State', stateBadgeOf(group.state)], ['Lag', `${count(lag)} records`],
      group.protocol ? ['Protocol', group.protocol] : null,
      group.generation > 0 ? ['Generation', count(group.generation)] : null,
      isShared ? ['In flight', count(sum(positions, 'in_flight'))] : null,
    ])),
    panel('Positions', null, positions.length ? table(places(isShared), positions, (place) => `${place.topic}:${place.partition}`, 'Positions')
      : empty('No position is stored yet', 'It appears with the first commit of a member.')),
    panel('Members', null, (group.members || []).length ? table(MEMBERS, group.members, (member) => member.member, 'Members')
      : empty('No member is connected', isShared ? 'Members of a shared group come with each read.' : 'While nobody is, the group can be moved:', isShared ? null : `penstock groups seek ${ctx.args[0]} --to start`)),
    isShared && panel('Read as a member', null, copyable(`curl -X POST ${location.origin}${path('groups', ctx.args[0])}/read -H 'Content-Type: application/json' -d '{"topics":${JSON.stringify([...new Set(positions.map((place) => place.topic))])}}'`)),
  ];
}

const sum = (all, name) => all.reduce((total, item) => total + (item[name] || 0), 0);

const places = (isShared) => [
  ['Topic', 'name', (place) => h('a', { href: `#/topics/${encodeURIComponent(place.topic)}` }, place.topic)],
  ['Partition', 'number wide', (place) => place.partition],
  isShared ? ['In flight', 'number', (place) => count(place.in_flight)] : ['Committed', 'number wide', (place) => count(place.committed)],
  ['End', 'number wide', (place) => count(place.end)],
  ['Lag', 'number', (place) => count(place.lag)],
  ['Waiting since', 'number', (place) => (place.lag ? span(place.lag_seconds) : '–')],
];

const MEMBERS = [
  ['Client', 'name', (member) => member.client_id || '–'],
  ['Host', '', (member) => member.client_host || '–'],
  ['Instance', 'wide', (member) => member.instance || '–'],
  ['Member', 'wide name', (member) => h('code', null, member.member)],
];
