// Elements as plain values, patched into the page in place: focus, selection and scrolling stay
// where they are when the page refreshes itself. Texts become text nodes, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'indeterminate', 'open', 'max']);

/** An element. `key` tells it from its siblings, `on...` are listeners, the rest attributes. */
export function h(tag, props, ...children) {
  const kept = children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
  return { tag, props: props || {}, children: kept };
}

/** Makes `parent` hold just `children`. */
export function patch(parent, children, inSvg = false) {
  const old = parent.held || [];
  const keyed = new Map();
  const rest = [];
  for (const one of old) {
    const key = keyOf(one.value);
    if (key === undefined) rest.push(one);
    else keyed.set(key, one);
  }
  const used = new Set();
  let at = 0;
  const next = children.map((value) => {
    const key = keyOf(value);
    const one = key === undefined ? rest[at++] : keyed.get(key);
    if (one && !used.has(one) && isAlike(one.value, value)) {
      used.add(one);
      update(one.node, one.value, value, inSvg);
      return { value, node: one.node };
    }
    return { value, node: create(value, inSvg) };
  });
  for (const one of old) if (!used.has(one)) one.node.remove();
  next.forEach((one, index) => {
    const there = parent.childNodes[index];
    if (there !== one.node) parent.insertBefore(one.node, there || null);
  });
  parent.held = next;
}

const keyOf = (value) => (typeof value === 'object' ? value.props.key : undefined);
const isAlike = (a, b) => (typeof a === 'object' ? typeof b === 'object' && a.tag === b.tag : typeof b !== 'object');

function create(value, inSvg) {
  if (typeof value !== 'object') return document.createTextNode(String(value));
  const isSvg = inSvg || value.tag === 'svg';
  const node = isSvg ? document.createElementNS(SVG, value.tag) : document.createElement(value.tag);
  patch(node, value.children, isSvg);
  for (const name in value.props) set(node, name, value.props[name]);
  return node;
}

function update(node, before, now, inSvg) {
  if (typeof now !== 'object') {
    if (String(before) !== String(now)) node.data = String(now);
    return;
  }
  patch(node, now.children, inSvg || now.tag === 'svg');
  for (const name in before.props) if (!(name in now.props)) set(node, name, null);
  for (const name in now.props) {
    if (before.props[name] !== now.props[name] || PROPERTIES.has(name)) set(node, name, now.props[name]);
  }
}

function set(node, name, value) {
  if (name === 'key') return;
  if (name.startsWith('on')) node[name] = value;
  else if (PROPERTIES.has(name) && name in node) {
    if (node[name] !== value) node[name] = value === null ? '' : value;
  } else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? '' : value);
}
