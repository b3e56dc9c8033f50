/**
 * A message box: a tone, a title and a sentence; if it helps, also a sum or a button.
 */

const announcer = document.getElementById("announcer");

export class MessageBox {
  #box;

  constructor(id) {
    this.#box = document.getElementById(id);
  }

  /** `rows`: a sum, as [label, figure]; `action`: {label, run}. `focus`: for what the user must not miss. */
  show({ tone, title, text = "" }, { rows = [], action = null, focus = false } = {}) {
    this.#box.dataset.tone = tone;
    this.#box.replaceChildren(
      element("p", title, "title"),
      ...(text ? [element("p", text)] : []),
      ...(rows.length ? [sum(rows)] : []),
      ...(action ? [button(action)] : []),
    );
    if (focus) this.#box.focus();
  }

  clear() {
    this.#box.replaceChildren();
  }
}

/** Have screen readers say what is visible anyway. */
export function announce(text) {
  announcer.textContent = text;
}

function sum(rows) {
  const list = element("dl", "", "sum");
  for (const [label, figure] of rows) {
    const row = document.createElement("div");
    row.append(element("dt", label), element("dd", figure));
    list.append(row);
  }
  return list;
}

function button({ label, run }) {
  const made = element("button", label, "secondary");
  made.type = "button";
  made.addEventListener("click", run, { once: true });
  return made;
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
