// What all views are made of.

/** element("a", {href: "#live"}, "Live"); null children are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return made;
}

// What `draw` has made the content of.
const drawn = new WeakMap();

/** Replace the content, and leave the focus on the element with the same data-key, and tables scrolled as they were. */
export function swap(container, ...children) {
  const key = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const scrolled = [...container.querySelectorAll(".scrolls")].map((one) => one.scrollLeft);
  container.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined));
  container.querySelectorAll(".scrolls").forEach((one, place) => (one.scrollLeft = scrolled[place] ?? 0));
  if (key) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  drawn.delete(container);
}

/** Replace it only if `found`, of which it is made, has changed: so what the user has selected stays. */
export function draw(container, found, make) {
  const now = JSON.stringify(found);
  if (drawn.get(container) === now) return;
  swap(container, make());
  drawn.set(container, now);
}

// Stripe's lists, as in the Balance page's money.js: not those of Intl.
const ZERO_DECIMAL = new Set([
  "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
]);
const THREE_DECIMAL = new Set(["bhd", "jod", "kwd", "omr", "tnd"]);

/** Stripe's minor units → "€5.00". */
export function money(cents, currency) {
  const digits = ZERO_DECIMAL.has(currency) ? 0 : THREE_DECIMAL.has(currency) ? 3 : 2;
  const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, ...fraction }).format(cents / 10 ** digits);
  } catch {
    return `${cents} ${currency}`;
  }
}

/** Seconds → "12 s", "3 min", "2 h", "5 d". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

export const clock = (iso) => new Date(iso).toLocaleTimeString();
export const moment = (iso) => new Date(iso).toLocaleString();
/** The cell of a time, which is not wrapped. */
export const timeCell = (iso, text = moment) => element("time", { datetime: iso }, text(iso));

/** A table with a caption; rows are lists of cells. `name` is a class of the table. */
export function table(caption, heads, rows, empty, name = null) {
  if (!rows.length) return element("p", { class: "quiet" }, empty);
  return element(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption, "data-key": `table ${caption}` },
    element(
      "table",
      { class: name },
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell ?? "–"))))),
    ),
  );
}

/** A sentence that stands out; `tone` is good, wait or bad. */
export const notice = (tone, ...children) => element("p", { class: "notice", "data-tone": tone }, ...children);

/** Say it to a screen reader. */
export function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer.textContent !== text) announcer.textContent = text;
}

/** An id that is too long for its column ends in an ellipsis; its title has all of it. */
export const paymentLink = (reference, text = reference) => {
  const isId = text === reference;
  const more = { class: isId ? "id" : null, title: isId ? String(text) : null, "data-key": `payment ${reference}` };
  return element("a", { href: `#payment/${encodeURIComponent(reference)}`, ...more }, String(text));
};

/** Wait; for ten times as long while the page is hidden, and no longer than the view is shown. */
export const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, document.hidden ? 10 * milliseconds : milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
