// Who changed what by the operations, newest first.

import { operate } from "./api.js";
import { element, moment, notice, swap, table } from "./parts.js";

export function show(main, signal) {
  const by = element("input", { id: "by", maxlength: "255" });
  const verb = element("input", { id: "verb", maxlength: "255", placeholder: "parked discard" });
  const acts = element("div", { "aria-live": "polite" });
  const load = async () => {
    const filters = [...(by.value.trim() ? ["--by", by.value.trim()] : []), ...(verb.value.trim() ? ["--of", verb.value.trim()] : [])];
    try {
      const found = (await operate("journal", ...filters)).acts;
      if (!signal.aborted) swap(acts, of(found));
    } catch (error) {
      if (!signal.aborted) swap(acts, notice("bad", error.message));
    }
  };
  swap(
    main,
    element("h2", {}, "Journal"),
    element(
      "form",
      { onsubmit: (event) => (event.preventDefault(), load()) },
      element("div", { class: "row" }, element("label", { for: "by" }, "Operator"), by, element("label", { for: "verb" }, "Verb"), verb, element("button", {}, "Filter")),
    ),
    acts,
  );
  load();
}

function of(acts) {
  const rows = acts.map((act) => [
    moment(act.at ?? act.begun_at),
    act.verb,
    act.operator,
    act.identity,
    act.step ?? act.end,
    element("details", {}, element("summary", {}, "Details"), element("pre", {}, JSON.stringify(act, null, 2))),
  ]);
  return table("What was changed, newest first", ["When", "Verb", "Operator", "Identity", "End", ""], rows, "Nobody has changed anything.");
}
