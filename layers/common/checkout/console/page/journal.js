// Who changed what by the operations, newest first.

import { read } from "./api.js";
import { fill } from "./away.js";
import { element, swap, table, timeCell } from "./parts.js";

export function show(main, signal) {
  const by = element("input", { id: "by", maxlength: "255" });
  const verb = element("input", { id: "verb", maxlength: "255", placeholder: "parked discard" });
  const since = element("input", { id: "since", type: "datetime-local" });
  const acts = element("div", { "aria-live": "polite" });
  const load = () => fill(acts, signal, async () => of((await read("journal", ...filters())).acts));
  const filters = () => [
    ...(by.value.trim() ? [`--by=${by.value.trim()}`] : []),
    ...(verb.value.trim() ? [`--of=${verb.value.trim()}`] : []),
    ...(since.value ? [`--since=${new Date(since.value).toISOString()}`] : []),
  ];
  swap(
    main,
    element("h2", {}, "Journal"),
    element(
      "form",
      { onsubmit: (event) => (event.preventDefault(), load()) },
      element("div", { class: "row" }, element("label", { for: "by" }, "Operator"), by, element("label", { for: "verb" }, "Verb"), verb, element("label", { for: "since" }, "Since"), since, element("button", {}, "Filter")),
    ),
    acts,
  );
  load();
}

function of(acts) {
  const rows = acts.map((act) => [
    timeCell(act.at ?? act.begun_at),
    act.verb,
    act.operator,
    act.identity,
    act.step ?? act.end,
    element("details", {}, element("summary", {}, "Details"), element("pre", {}, JSON.stringify(act, null, 2))),
  ]);
  return table("What was changed, newest first", ["When", "Verb", "Operator", "Identity", "End", ""], rows, "Nobody has changed anything.");
}
