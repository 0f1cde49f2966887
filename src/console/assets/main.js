// The frame: routes by the address's fragment, asks for what the view shows, draws it.

import { Refusal, Unreachable, ask } from './api.js';
import { many, span } from './format.js';
import { banner, failure, reason } from './parts.js';
import { h, patch } from './view.js';
import * as overview from './overview.js';
import * as sources from './sources.js';
import * as topics from './topics.js';
import * as groups from './groups.js';
import * as letters from './letters.js';
import * as push from './push.js';

const EVERY_MS = 2000;
const EVERY_MS_MAX = 30000;
/** Looks kept for the line of throughput: two minutes. */
const LOOKS_MAX = 60;

const VIEWS = [
  ['', 'Overview', overview],
  ['sources', 'Sources', sources],
  ['topics', 'Topics', topics],
  ['groups', 'Groups', groups],
  ['letters', 'Dead letters', letters, 'Letters'],
  ['push', 'Push', push],
];

const ctx = { status: null, dlq: null, dlqError: null, looks: [], rates: [], data: null, error: null, lost: null, args: [], draw, refresh };
let view = VIEWS[0];
let route = null;
let delay = EVERY_MS;
let timer = 0;
let round = 0;

function navigate() {
  const parts = location.hash.replace(/^#\/?/, '').split('/');
  let names;
  try {
    names = parts.map(decodeURIComponent);
  } catch {
    names = [''];
  }
  const now = names.join('/');
  if (now === route) return;
  if (view[2].leave) view[2].leave(ctx);
  const first = route === null;
  route = now;
  view = VIEWS.find(([name]) => name === names[0]) || VIEWS[0];
  ctx.args = names.slice(1);
  ctx.data = null;
  ctx.error = null;
  if (view[2].enter) view[2].enter(ctx);
  document.title = `${[ctx.args[0], view[1]].filter(Boolean).join(' · ')} · Penstock`;
  draw();
  if (!first) {
    window.scrollTo(0, 0);
    document.getElementById('content').focus({ preventScroll: true });
  }
  refresh();
}

/** Asks at once, and from then on at the usual pace. */
function refresh() {
  clearTimeout(timer);
  return tick();
}

async function tick() {
  const own = ++round;
  const asked = view;
  try {
    const load = asked[2].load ? asked[2].load(ctx).then((data) => ({ data }), (error) => ({ error })) : { data: null };
    const [status, dlq, loaded] = await Promise.all([ask('/status'), askLetters(), load]);
    if (own !== round) return;
    if (loaded.error instanceof Unreachable) throw loaded.error;
    ctx.lost = null;
    delay = EVERY_MS;
    look(status);
    ctx.dlq = dlq;
    ctx.data = loaded.error ? null : loaded.data;
    ctx.error = loaded.error || null;
  } catch (error) {
    if (own !== round) return;
    ctx.lost = ctx.lost || { since: Date.now() };
    ctx.lost.error = error;
    delay = Math.min(delay * 2, EVERY_MS_MAX);
  }
  draw();
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(tick, delay);
}

async function askLetters() {
  if (ctx.dlqError && ctx.dlqError.status === 501) return null;
  try {
    const dlq = await ask('/dlq');
    ctx.dlqError = null;
    return dlq;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ctx.dlqError = error;
    return null;
  }
}

/** Remembers a look at the server, and what flowed since the one before. */
function look(status) {
  const last = ctx.looks[ctx.looks.length - 1];
  ctx.status = status;
  if (!status.log || status.now_ms === undefined) return;
  const now = { ms: status.now_ms, appended: status.log.appended };
  if (last && now.ms <= last.ms) return;
  ctx.looks.push(now);
  if (ctx.looks.length > LOOKS_MAX) ctx.looks.shift();
  if (last) {
    const rate = Math.max(0, now.appended - last.appended) / ((now.ms - last.ms) / 1000);
    ctx.rates.push(rate);
    if (ctx.rates.length > LOOKS_MAX) ctx.rates.shift();
  }
}

function draw() {
  patch(document.getElementById('app'), [
    h('button', { class: 'skip', type: 'button', onclick: () => document.getElementById('content').focus() }, 'Skip to content'),
    header(),
    h('main', { id: 'content', tabindex: '-1' }, h('div', { class: 'connection' }, connection()), body()),
  ]);
}

function header() {
  const { status } = ctx;
  const state = ctx.lost ? ['bad', 'no connection'] : !status ? ['idle', 'connecting'] : status.state === 'ready' ? ['ok', 'ready'] : ['bad', status.state];
  return h('header', null,
    h('a', { class: 'brand', href: '#/' }, h('img', { src: '/console/icon.svg', alt: '', width: 22, height: 22 }), 'Penstock'),
    h('nav', { 'aria-label': 'Views' }, VIEWS.map(tab)),
    h('div', { class: 'server' },
      h('span', { class: `dot ${state[0]}` }, state[1]),
      h('span', { class: 'fine' }, status && status.version ? `${status.version} · up ${span(status.uptime_seconds)}` : ' ')));
}

function tab([name, title, module, shortly]) {
  const here = view[0] === name;
  const mark = module.mark && module.mark(ctx);
  return h('a', { href: `#/${name}`, 'aria-current': here ? 'page' : null, key: name },
    h('span', { class: shortly ? 'long' : null }, title), shortly && h('span', { class: 'short' }, shortly),
    mark && h('span', { class: `mark ${mark[0]}`, title: mark[2] }, mark[1]));
}

function connection() {
  if (ctx.lost) {
    const seconds = (Date.now() - ctx.lost.since) / 1000;
    return banner('bad', `Connection lost ${seconds < 3 ? 'just now' : `for ${span(seconds)}`}: ${reason(ctx.lost.error)}. What is shown may be old; trying again every ${Math.round(delay / 1000)} s.`,
      h('button', { type: 'button', class: 'small', onclick: refresh }, 'Try now'));
  }
  if (ctx.status && !ctx.status.version) {
    return banner('warn', 'This server shows only counts without a login.', h('button', { type: 'button', class: 'small', onclick: () => location.reload() }, 'Log in'));
  }
  return null;
}

function body() {
  if (!ctx.status) return h('p', { class: 'loading' }, ctx.lost ? '' : 'Loading…');
  if (!ctx.status.version) return h('p', { class: 'loading' }, many(ctx.status.log.topics, 'topic'));
  if (ctx.error && !view[2].ownErrors) return failure(ctx.error);
  return h('div', { class: 'view', key: route }, view[2].render(ctx));
}

addEventListener('hashchange', navigate);
document.addEventListener('visibilitychange', () => {
  if (view[2].visible) view[2].visible(ctx, !document.hidden);
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
navigate();
