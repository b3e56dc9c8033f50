// What this machine's stack may break, to watch it mend itself. There is none on AWS.

import { turn } from "./api.js";
import { problem } from "./away.js";
import { act } from "./acts.js";
import { announce, element, pause, swap, table } from "./parts.js";

const AGAIN_MS = 1000;
const DOES = {
  normal: "Deliver",
  drop: "Drop",
  duplicate: "Duplicate",
  delay: "Delay",
  reorder: "Reorder",
  stop: "Stop",
  start: "Start",
  kill: "Kill",
};
const KINDS = { webhooks: "From Stripe", service: "Parts", function: "Functions" };
const SAYS = {
  webhooks: "Drop never delivers new webhooks, Duplicate delivers each twice, Delay after 3 s, Reorder the later before the earlier.",
  service: "Stop leaves it away until Start. Kill is a crash, after which it is started again.",
  function: "Stop lets each event fail until Start. Kill is a crash, also in the middle of an event; others take over.",
};

export async function show(main, signal) {
  const board = element("div", { "aria-busy": "true" }, element("p", { class: "quiet" }, "Loading …"));
  const failed = element("div", { "aria-live": "polite" });
  swap(main, element("h2", {}, "Switchboard"), element("p", {}, "Break this stack, and watch under Live how it mends itself."), failed, board);
  let busy = false;
  let pressed = 0;
  let shown = "";

  const draw = (switches) => {
    board.removeAttribute("aria-busy");
    const now = JSON.stringify([switches, busy]);
    if (now === shown || signal.aborted) return;
    shown = now;
    swap(board, Object.keys(KINDS).map((kind) => of(kind, switches.filter((one) => one.kind === kind), press)));
    if (busy) for (const button of board.querySelectorAll("button")) button.disabled = true;
  };

  async function press(name, what) {
    busy = true;
    pressed += 1;
    for (const button of board.querySelectorAll("button")) button.disabled = true;
    announce(`${DOES[what]} ${name} …`);
    try {
      const switches = await turn(name, what);
      busy = false;
      shown = "";
      swap(failed);
      draw(switches);
      announce(`${name}: ${switches.find((one) => one.name === name).state}.`);
    } catch (error) {
      swap(failed, problem(error));
    } finally {
      busy = false;
      shown = "";
    }
  }

  while (!signal.aborted) {
    try {
      if (!busy) {
        const before = pressed;
        const switches = await turn();
        if (before === pressed) draw(switches);
      }
    } catch (error) {
      if (!signal.aborted) swap(board, problem(error));
      shown = "";
    }
    await pause(AGAIN_MS, signal);
  }
}

function of(kind, switches, press) {
  if (!switches.length) return null;
  const rows = switches.map((one) => [
    one.name,
    element("span", { class: "track", "data-tone": ["running", "normal"].includes(one.state) ? "good" : "bad" }, one.state),
    element("span", { class: "row" }, one.acts.map((what) => act(DOES[what], `${what} ${one.name}`, () => press(one.name, what)))),
  ]);
  return element("section", {}, table(KINDS[kind], ["Part", "State", ""], rows, "", "board"), element("p", { class: "quiet" }, SAYS[kind]));
}
