// The topics, and one topic's page: its partitions, its settings, and its live tail.

import { ask, path } from './api.js';
import { bytes, count, many, span } from './format.js';
import { empty, facts, panel, table } from './parts.js';
import { h } from './view.js';
import * as tail from './tail.js';

export const ownErrors = false;
let wanted = '';
let withInternal = false;

export function load(ctx) {
  return ctx.args[0] ? ask(path('topics', ctx.args[0])) : ask('/topics');
}

export function enter(ctx) {
  if (ctx.args[0]) tail.open(ctx);
}

export const leave = () => tail.close();
export const visible = (ctx, isVisible) => tail.visible(isVisible);

export function render(ctx) {
  return ctx.args[0] ? one(ctx) : list(ctx);
}

function list(ctx) {
  if (!ctx.data) return [h('h1', null, 'Topics'), h('p', { class: 'loading' }, 'Loading…')];
  const all = ctx.data.topics;
  const outside = all.filter((topic) => !topic.internal);
  const shown = (withInternal ? all : outside).filter((topic) => topic.name.toLowerCase().includes(wanted.toLowerCase()));
  const columns = [
    ['Topic', 'name', (topic) => h('a', { href: `#/topics/${encodeURIComponent(topic.name)}` }, topic.name)],
    ['Records', 'number', (topic) => count(topic.records)],
    ['Size', 'number', (topic) => bytes(topic.bytes)],
    ['Partitions', 'number wide', (topic) => count(topic.partitions)],
    ['Written by', 'wide', (topic) => topic.connector || (topic.internal ? 'Penstock' : h('span', { class: 'fine' }, 'clients'))],
  ];
  const tools = h('div', { class: 'tools' },
    h('input', { type: 'search', placeholder: 'Filter by name', 'aria-label': 'Filter by name', value: wanted, oninput: (event) => { wanted = event.target.value; ctx.draw(); } }),
    h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: withInternal, onchange: (event) => { withInternal = event.target.checked; ctx.draw(); } }), 'internal too'));
  const body = shown.length ? table(columns, shown, (topic) => topic.name, 'Topics')
    : outside.length || wanted ? empty('No topic has such a name', 'Clear the filter to see all.')
      : empty('There is no topic yet', 'A topic is made when something is first written to it, or here:', `curl -X POST ${location.origin}/topics -H 'Content-Type: application/json' -d '{"name":"hello"}'`);
  return [h('h1', null, 'Topics'), tools, panel(null, null, body)];
}

function one(ctx) {
  const name = ctx.args[0];
  const topic = ctx.data;
  const aside = topic && `${many(topic.records, 'record')}, ${bytes(topic.bytes)}`;
  return [
    h('p', { class: 'crumbs' }, h('a', { href: '#/topics' }, 'Topics')),
    h('h1', { class: 'long-name' }, name),
    topic ? panel(null, null, facts([
      ['Holds', aside],
      ['Written by', topic.connector ? h('a', { href: '#/sources' }, topic.connector) : 'clients'],
      ['Partitions', topic.partition_offsets.slice(0, 8).map((at) => h('span', { class: 'offsets', key: at.partition, title: `partition ${at.partition}` }, `${at.partition}: ${count(at.start)} to ${count(at.end)}`))],
      ['Kept for', kept(topic.config)],
    ])) : h('p', { class: 'loading' }, 'Loading…'),
    tail.render(ctx, topic),
  ];
}

function kept(config) {
  const age = config['retention.ms'];
  const size = config['retention.bytes'];
  const parts = [age === undefined || age < 0 ? 'ever' : span(age / 1000)];
  if (size >= 0) parts.push(`at most ${bytes(size)} a partition`);
  if (config['cleanup.policy'] && config['cleanup.policy'] !== 'delete') parts.push(config['cleanup.policy']);
  return parts.join(', ');
}
