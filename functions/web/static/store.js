/**
 * What this tab remembers. What the browser refuses to store is remembered until the page is left.
 */

const PREFIX = "balance.";
const fallback = new Map();

export function read(name) {
  // A full storage still has an older value.
  if (fallback.has(name)) return fallback.get(name);
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function write(name, value) {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
    fallback.delete(name);
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
