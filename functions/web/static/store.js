/**
 * What this tab remembers. If the browser refuses storage, it is remembered until the page is left.
 */

const PREFIX = "balance.";
const fallback = new Map();

export function read(name) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return fallback.get(name) ?? null;
  }
}

export function write(name, value) {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    fallback.set(name, value);
  }
}

export function forget(name) {
  fallback.delete(name);
  try {
    sessionStorage.removeItem(PREFIX + name);
  } catch {
    // Nothing was stored there either.
  }
}
