// What the views are made of: badges, tables, empty states, JSON, the confirming dialog.

import { Digits } from './api.js';
import { h, patch } from './view.js';

/** A state in words and colour; the words alone say it. */
export const badge = (kind, text) => h('span', { class: `badge ${kind}` }, text);

const STATES = { RUNNING: 'ok', SNAPSHOT: 'busy', RETRYING: 'warn', PAUSED: 'idle', STOPPED: 'idle', FAILED: 'bad' };

/** The badge of a connector's state. */
export const stateBadge = (state) => badge(STATES[state] || 'idle', String(state).toLowerCase());

/** Something that needs a look, with where to look. */
export function banner(kind, text, ...more) {
  const word = { bad: 'Problem', warn: 'Attention', info: 'Note' }[kind];
  return h('div', { class: `banner ${kind}`, role: kind === 'bad' ? 'alert' : null }, h('strong', null, word), h('span', { class: 'grow' }, text), ...more);
}

/** A titled part of a view. */
export function panel(title, aside, ...children) {
  const head = title && h('div', { class: 'panel-head' }, h('h2', null, title), aside && h('div', { class: 'aside' }, aside));
  return h('section', { class: 'panel' }, head, ...children);
}

/** A number that matters, its name above, what it means below. */
export function stat(name, value, under, extra, href) {
  const inside = [h('span', { class: 'stat-name' }, name), h('span', { class: 'stat-value' }, value), extra, h('span', { class: 'stat-under' }, under || ' ')];
  return href ? h('a', { class: 'stat', href }, ...inside) : h('div', { class: 'stat' }, ...inside);
}

/** Columns are [name, class, cell]; the class `wide` leaves a column out on small screens. */
export function table(columns, rows, keyOf, label) {
  const head = columns.map(([name, kind]) => h('th', { scope: 'col', class: kind }, name));
  const row = (one) => h('tr', { key: keyOf(one) }, columns.map(([, kind, cell]) => h('td', { class: kind }, cell(one))));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    h('table', null, h('thead', null, h('tr', null, head)), h('tbody', null, rows.map(row))));
}

/** Nothing here yet, and what to do next. */
export function empty(title, text, command) {
  return h('div', { class: 'empty' }, h('h3', null, title), h('p', null, text), command && copyable(command));
}

/** A command with a button that copies it. */
export function copyable(command) {
  return h('div', { class: 'command' }, h('pre', null, h('code', null, command)),
    h('button', { type: 'button', class: 'small', onclick: (event) => copy(command, event.currentTarget), 'aria-label': `Copy: ${command}` }, 'Copy'));
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    say('Copied');
  } catch {
    // Without TLS browsers refuse; then the text is marked for the keys.
    getSelection().selectAllChildren(button.parentElement.querySelector('code'));
    say('Marked: copy it with Ctrl+C');
  }
}

/** Tells what happened, to eyes and ears. */
export function say(text, kind = 'info') {
  const said = document.getElementById('said');
  said.textContent = text;
  said.className = `said ${kind}`;
  clearTimeout(said.timer);
  said.timer = setTimeout(() => { said.className = 'unseen'; }, kind === 'bad' ? 9000 : 3500);
}

/** What went wrong, with the code and how to mend it. */
export const reason = (error) => [error.message, error.mend && `– ${error.mend}`, error.code && `(${error.code})`].filter(Boolean).join(' ');

/** An error in the place of what could not be had. */
export const failure = (error) => h('div', { class: 'panel' }, banner('bad', reason(error)));

/** Asks before what cannot be taken back; whether the answer is yes. */
export function sure(title, text, yes, kind = 'bad') {
  const dialog = document.getElementById('question');
  return new Promise((resolve) => {
    const close = (answer) => () => { dialog.close(); resolve(answer); };
    patch(dialog, [
      h('h2', { id: 'question-title' }, title), h('p', null, text),
      h('div', { class: 'actions end' },
        h('button', { type: 'button', onclick: close(false) }, 'Cancel'),
        h('button', { type: 'button', class: kind === 'bad' ? 'danger' : 'primary', id: 'question-yes', onclick: close(true) }, yes)),
    ]);
    dialog.oncancel = () => resolve(false);
    dialog.showModal();
    dialog.querySelector('button').focus();
  });
}

/** A button that is off while what it started runs. */
export function action(label, act, { kind = '', disabled = false, title = null, id = null } = {}) {
  const onclick = async (event) => {
    const button = event.currentTarget;
    if (button.getAttribute('aria-busy')) return;
    button.setAttribute('aria-busy', 'true');
    try {
      await act();
    } catch (error) {
      say(reason(error), 'bad');
    } finally {
      button.removeAttribute('aria-busy');
    }
  };
  return h('button', { type: 'button', class: kind, disabled, title, id, onclick }, label);
}

const INDENT = '  ';
/** Characters of a value that are laid out; more would make the page heavy. */
const SHOWN_MAX = 60000;

/** A value as indented JSON in colours. */
export function json(value) {
  const parts = [];
  let left = SHOWN_MAX;
  const add = (kind, text) => {
    if (left <= 0) return;
    const shown = text.length > left ? `${text.slice(0, left)} … cut here` : text;
    left -= text.length;
    parts.push(kind ? h('span', { class: kind }, shown) : shown);
  };
  const write = (one, depth) => {
    if (left <= 0) return;
    if (one === null) add('j-null', 'null');
    else if (one instanceof Digits) add('j-number', one.text);
    else if (typeof one === 'string') add('j-text', JSON.stringify(one));
    else if (typeof one !== 'object') add('j-number', String(one));
    else {
      const isList = Array.isArray(one);
      const entries = isList ? one.map((item) => [null, item]) : Object.entries(one);
      if (!entries.length) { add('', isList ? '[]' : '{}'); return; }
      add('', isList ? '[' : '{');
      entries.forEach(([name, item], index) => {
        add('', `\n${INDENT.repeat(Math.min(depth + 1, 40))}`);
        if (name !== null) { add('j-name', JSON.stringify(name)); add('', ': '); }
        write(item, depth + 1);
        if (index < entries.length - 1) add('', ',');
      });
      add('', `\n${INDENT.repeat(Math.min(depth, 40))}${isList ? ']' : '}'}`);
    }
  };
  write(value, 0);
  return h('pre', { class: 'json', tabindex: '0' }, ...parts);
}

/** A value on one short line. */
export function line(value, length = 240) {
  if (value === null || value === undefined) return 'null';
  if (value instanceof Digits) return value.text;
  if (typeof value === 'string') return cut(value, length);
  const seen = JSON.stringify(value, (key, one) => (one instanceof Digits ? one.text : one));
  return cut(seen, length);
}

const cut = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);

/** A line of values over time. */
export function sparkline(values, label) {
  const [width, height] = [160, 32];
  const top = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(1)},${(height - 2 - (value / top) * (height - 6)).toFixed(1)}`);
  return h('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    points.length > 1 && h('polygon', { points: `0,${height} ${points.join(' ')} ${width},${height}` }),
    points.length > 1 && h('polyline', { points: points.join(' ') }));
}

/** How full something is. */
export const meter = (share, kind, label) => h('svg', { class: `meter ${kind}`, viewBox: '0 0 100 4', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
  h('rect', { class: 'track', width: 100, height: 4 }), h('rect', { class: 'fill', width: Math.max(0, Math.min(100, share * 100)).toFixed(1), height: 4 }));

/** Names and values side by side. */
export const facts = (pairs) => h('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) => h('div', { key: name }, h('dt', null, name), h('dd', null, value))));
