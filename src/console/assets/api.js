// Requests to this server and nowhere else; what it refuses comes as an error with its code.

const TIMEOUT_MS = 15000;

/** The server could not be asked. */
export class Unreachable extends Error {}

/** The server said no. */
export class Refusal extends Error {
  constructor(status, problem) {
    super((problem && problem.detail) || `answered with status ${status}`);
    this.status = status;
    this.code = (problem && problem.code) || '';
    this.mend = (problem && problem.mend) || '';
  }
}

/** Digits that a number of this language would change. */
export class Digits {
  constructor(text) { this.text = text; }
}

/** JSON with every digit as it was written, where the browser tells. */
export function parseExactly(text) {
  return JSON.parse(text, (key, value, context) => {
    if (typeof value !== 'number' || !context || context.source === undefined) return value;
    return context.source === String(value) ? value : new Digits(context.source);
  });
}

/** A path of the parts, each escaped. */
export const path = (...parts) => '/' + parts.map(encodeURIComponent).join('/');

/** Asks and gives the JSON of the answer; null where it has none. */
export async function ask(where, { method = 'GET', body, exactly = false } = {}) {
  const headers = { Accept: 'application/json' };
  const options = { method, headers, cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  const response = await reach(where, options);
  const text = await response.text().catch(() => { throw new Unreachable('the answer broke off'); });
  if (!response.ok) throw new Refusal(response.status, readable(text));
  if (!text) return null;
  return exactly ? parseExactly(text) : JSON.parse(text);
}

/**
 * Reads a stream of events until it ends or `signal` is aborted. `take` gets { id, event, data }
 * and may return a promise: nothing is read meanwhile, so the server waits for a slow page.
 */
export async function follow(where, { lastId, signal, take }) {
  const headers = { Accept: 'text/event-stream' };
  if (lastId) headers['Last-Event-ID'] = lastId;
  const response = await reach(where, { headers, cache: 'no-store', signal });
  if (!response.ok) throw new Refusal(response.status, readable(await response.text()));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) await take(eventOf(block));
  }
}

function eventOf(block) {
  const event = { id: '', event: '', data: '' };
  for (const line of block.split('\n')) {
    const colon = line.indexOf(': ');
    const field = line.slice(0, colon);
    if (colon > 0 && field in event) event[field] = line.slice(colon + 2);
  }
  return event;
}

// The address may hold a password, which must not be in the address of a request; the browser
// sends it by itself.
async function reach(where, options) {
  try {
    return await fetch(location.origin + where, options);
  } catch (error) {
    if (options.signal && options.signal.aborted && error.name === 'AbortError') throw error;
    throw new Unreachable('the server cannot be reached');
  }
}

function readable(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
