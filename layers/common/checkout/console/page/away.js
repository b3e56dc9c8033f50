// What a view shows while the console's server or a database is away, and how it carries on.

import { Away } from "./api.js";
import { announce, element, notice, pause, swap } from "./parts.js";

const AGAIN_MS = 2000;

/** The error in a sentence; if something is away, that the page carries on. */
export function problem(error) {
  if (!(error instanceof Away)) return notice("bad", error.message);
  announce(error.message);
  return notice(
    "bad",
    element("strong", {}, "Something is away."),
    ` ${error.message} This page carries on as soon as it is back. `,
    hasSwitchboard() ? switchboardLink() : null,
  );
}

/** Only the stack on this machine has one. */
export const hasSwitchboard = () => !document.querySelector('nav a[href="#switchboard"]').hidden;

export const switchboardLink = () => element("a", { href: "#switchboard", "data-key": "to the switchboard" }, "Switchboard");

/** Fill the container with what `load` returns. While something is away, say so and retry. */
export async function fill(container, signal, load) {
  let said = "";
  while (!signal.aborted) {
    try {
      const content = await load();
      if (!signal.aborted) swap(container, content);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error.message !== said) swap(container, problem(error));
      said = error.message;
      if (!(error instanceof Away)) return;
    }
    await pause(AGAIN_MS, signal);
  }
}
