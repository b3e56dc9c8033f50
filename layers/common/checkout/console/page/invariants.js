// verify, a few seconds at a time, until it has read everything.

import { operate } from "./api.js";
import { problem } from "./away.js";
import { announce, duration, element, notice, swap, table } from "./parts.js";

const SECONDS = 5;

export function show(main, signal) {
  const results = element("div", { "aria-live": "polite" });
  const button = element("button", { type: "button", onclick: () => run() }, "Check all invariants");
  swap(
    main,
    element("h2", {}, "Invariants"),
    element("p", {}, "Every balance against its entries, every payment against the ledger and Stripe's books. It changes nothing."),
    element("p", {}, button),
    results,
  );

  async function run() {
    button.disabled = true;
    const began = Date.now();
    const found = new Map();
    let complete = false;
    let first = ["--anew"];
    try {
      while (!complete && !signal.aborted) {
        const said = `Checking for ${duration((Date.now() - began) / 1000)} …`;
        swap(results, element("p", {}, element("progress", { "aria-label": "Checking" }), ` ${said}`), of([...found.values()]));
        const part = await operate("verify", "--seconds", SECONDS, ...first);
        first = [];
        complete = part.complete;
        for (const finding of part.findings) add(found, finding);
      }
      if (signal.aborted) return;
      const broken = [...found.values()].filter((finding) => finding.is_offence && finding.count);
      const verdict = !broken.length ? "Every invariant holds." : broken.length === 1 ? "One invariant is broken." : `${broken.length} invariants are broken.`;
      announce(verdict);
      swap(results, notice(broken.length ? "bad" : "good", `${verdict} Read in ${duration((Date.now() - began) / 1000)}.`), of([...found.values()]));
    } catch (error) {
      if (!signal.aborted) swap(results, problem(error), of([...found.values()]));
    } finally {
      button.disabled = false;
    }
  }
}

const MOST_SAMPLES = 10;

/** Each run reports its own part, so parts are added up. Every run repeats the small checks, whose samples have no id. */
function add(found, finding) {
  const before = found.get(finding.name);
  if (!before?.count || (finding.count && !finding.samples[0]?.finding)) found.set(finding.name, finding);
  else if (finding.count) found.set(finding.name, sumOf(before, finding));
}

function sumOf(before, finding) {
  const count = before.count + finding.count;
  const samples = [...before.samples, ...finding.samples].slice(0, MOST_SAMPLES);
  return { ...finding, count, samples, sentence: finding.sentence.replace(/^\d+/, `${count} times:`) };
}

function of(findings) {
  const wrong = findings.filter((finding) => finding.count);
  const rows = findings.map((finding) => [
    element("span", { class: "track", "data-tone": !finding.count ? "good" : finding.is_offence ? "bad" : "wait" }, !finding.count ? "holds" : finding.is_offence ? "BROKEN" : "to know"),
    finding.sentence,
    finding.count ? finding.remedy : null,
  ]);
  return element(
    "div",
    {},
    findings.length ? table("Invariants", ["", "What", "What to do"], rows, "") : null,
    wrong.map((finding) =>
      element(
        "details",
        {},
        element("summary", {}, `${finding.name}: ${finding.count}`),
        element("pre", {}, finding.samples.map((sample) => JSON.stringify(sample)).join("\n")),
      ),
    ),
  );
}
