// Numbers, sizes and times as people read them. Widths stay steady: digits are tabular in CSS.

const NUMBER = new Intl.NumberFormat('en');
const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** 12,345 */
export const count = (number) => (Number.isFinite(number) ? NUMBER.format(number) : '–');

/** 12.3 k */
export function brief(number) {
  if (!Number.isFinite(number)) return '–';
  const units = ['', ' k', ' M', ' G', ' T'];
  let at = 0;
  while (Math.abs(number) >= 999.5 && at < units.length - 1) { number /= 1000; at += 1; }
  const digits = at === 0 || Math.abs(number) >= 99.5 ? 0 : 1;
  return number.toFixed(digits) + units[at];
}

/** 1.2 GiB */
export function bytes(number) {
  if (!Number.isFinite(number)) return '–';
  let at = 0;
  while (Math.abs(number) >= 1023.5 && at < SIZES.length - 1) { number /= 1024; at += 1; }
  return `${number.toFixed(at === 0 || number >= 99.5 ? 0 : 1)} ${SIZES[at]}`;
}

/** 3 d 4 h */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1) return seconds <= 0 ? '0 s' : `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const units = [[86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']];
  const at = units.findIndex(([size]) => seconds >= size);
  const [size, unit] = units[at];
  const [below, name] = units[at + 1];
  const first = Math.floor(seconds / size);
  const second = Math.floor((seconds - first * size) / below);
  return second ? `${first} ${unit} ${second} ${name}` : `${first} ${unit}`;
}

const two = (number) => String(number).padStart(2, '0');

/** 14:03:07.123, with the date where it is not today's. */
export function time(ms) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return String(ms);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? clock : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
}

/** 1 topic, 2 topics */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
