// The page's frame: the token, the views, and which of them is shown.

import { about, takeToken } from "./api.js";
import { setOperator } from "./decision.js";
import * as invariants from "./invariants.js";
import * as journal from "./journal.js";
import * as live from "./live.js";
import { notice, swap } from "./parts.js";
import * as payment from "./payment.js";
import * as queues from "./queues.js";
import * as switchboard from "./switchboard.js";

const VIEWS = { live, payment, queues, invariants, journal, switchboard };
const main = document.getElementById("main");
let shown = new AbortController();

function route() {
  if (location.hash === "#main") return;
  if (location.hash.includes("token=")) {
    location.reload();
    return;
  }
  const [name, argument] = location.hash.slice(1).split("/");
  const view = VIEWS[name] ?? live;
  shown.abort();
  shown = new AbortController();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${VIEWS[name] ? name : "live"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.show(main, shown.signal, argument ? decodeURIComponent(argument) : undefined);
}

takeToken();
try {
  const found = await about();
  document.getElementById("system").textContent = found.system;
  document.title = `Console – ${found.system}`;
  setOperator(found.operator);
  document.querySelector('nav a[href="#switchboard"]').hidden = !found.has_switchboard;
  addEventListener("hashchange", route);
  route();
} catch (error) {
  swap(main, notice("bad", error.message));
}
