// One payment's story, or one user's, as a timeline with the time between stations.

import { adjust, refund } from "./acts.js";
import { read } from "./api.js";
import { problem } from "./away.js";
import { duration, element, moment, money, notice, pause, swap, table } from "./parts.js";
import { verdicts } from "./verdict.js";

const AGAIN_MS = 3000;

const STATION = {
  checkout_transactions: "Payment",
  stripe_events: "Stripe",
  requested_refunds: "Refund",
  reversals: "Reversal",
  outbox: "Outbox",
  ledger_entries: "Ledger",
  parked_events: "Parked",
};

export function show(main, signal, reference) {
  const answer = element("div", { "aria-live": "polite" });
  const input = element("input", { id: "reference", name: "reference", value: reference ?? "", autocomplete: "off", spellcheck: "false" });
  const form = element(
    "form",
    { role: "search", onsubmit: (event) => (event.preventDefault(), (location.hash = `payment/${encodeURIComponent(input.value.trim())}`)) },
    element("label", { for: "reference" }, "Request id, Stripe's session or payment intent, or a user's id"),
    element("div", { class: "row" }, input, element("button", {}, "Show")),
  );
  swap(main, element("h2", {}, "One payment"), form, answer);
  if (reference) load(answer, reference, signal);
  else input.focus();
}

/** Drawn anew only if it has changed, so that what happens is seen, and an open row stays open. */
async function load(answer, reference, signal) {
  let shown = "";
  const draw = (found, content) => {
    if (found !== shown && !signal.aborted) swap(answer, content());
    shown = found;
  };
  while (!signal.aborted) {
    try {
      const story = await read("inspect", "--", reference);
      draw(JSON.stringify(story), () => [verdictOf(story.steps), refundsOf(story.steps), balancesOf(story), timelineOf(story.steps)]);
    } catch (error) {
      draw(error.message, () => problem(error));
    }
    await pause(AGAIN_MS, signal);
  }
}

const verdictOf = (steps) =>
  verdicts(steps).map(({ tone, sentence, view }) =>
    notice(tone, sentence, view ? [" ", element("a", { href: `#${view}`, "data-key": `to ${view}` }, "Go there")] : null),
  );

/** Of each payment that Stripe has taken. */
function refundsOf(steps) {
  const paid = steps.filter((step) => step.table === "checkout_transactions" && step.status === "payment_succeeded" && step.payment_intent_id);
  const rows = paid.map((payment) => [
    payment.request_id,
    money(payment.paid_cents, payment.paid_currency),
    money(payment.refunded_cents + payment.disputed_cents, payment.paid_currency),
    refund(payment),
  ]);
  return rows.length ? table("Money", ["Payment", "Paid", "Taken back", "Decide"], rows, "") : null;
}

/** A balance has the currency of its entries; without any it is shown in minor units. */
function balancesOf({ balances, steps }) {
  const entry = steps.find((step) => step.table === "ledger_entries");
  const amount = (cents) => (entry ? money(cents, entry.currency) : String(cents));
  const rows = balances.map((row) => [
    String(row.user_id),
    amount(row.balance_cents),
    row.balance_cents === row.ledger_cents ? "agrees" : `differs: ${amount(row.ledger_cents)}`,
    adjust(row.user_id),
  ]);
  return table(entry ? "Balances" : "Balances, in minor units", ["User", "Balance", "Sum of the ledger", "Decide"], rows, "No user of it is known.");
}

function timelineOf(steps) {
  const first = steps.length ? new Date(steps[0].at) : null;
  return element(
    "ol",
    { class: "timeline" },
    steps.map((step, place) => {
      const since = place ? `+${duration((new Date(step.at) - new Date(steps[place - 1].at)) / 1000)}` : moment(first);
      const { at, table: name, ...fields } = step;
      return element(
        "li",
        { "data-tone": toneOf(step) },
        element("span", { class: "quiet" }, since),
        element("strong", {}, STATION[name] ?? name),
        element("span", {}, sentenceOf(step)),
        element(
          "details",
          {},
          element("summary", {}, "All fields"),
          element("dl", { class: "fields" }, ...Object.entries({ at, ...fields }).map(([key, value]) => [element("dt", {}, key), element("dd", {}, textOf(value))]).flat()),
        ),
      );
    }),
  );
}

const textOf = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function toneOf(step) {
  if (step.outcome === "held" || (step.table === "parked_events" && !step.resolution)) return "bad";
  if (step.table === "requested_refunds" && step.refused_because) return "quiet";
  if (step.outcome === "waiting" || step.table === "outbox") return "wait";
  return "good";
}

function sentenceOf(step) {
  const amount = step.amount_cents === undefined ? "" : money(step.amount_cents, step.currency);
  switch (step.table) {
    case "checkout_transactions":
      return `${amount} for user ${step.user_id}: ${step.status.replaceAll("_", " ")}`;
    case "stripe_events":
      return `${step.type}: ${step.outcome}${step.reason ? ` (${step.reason})` : ""}`;
    case "requested_refunds":
      return `${step.refund_key} asks Stripe to refund ${amount}${step.refused_because ? `: ${step.refused_because}` : ""}`;
    case "reversals":
      return `${step.effect_key}: ${amount}, ${step.state}`;
    case "outbox":
      return `${step.effect_key} waits to be published to ${step.topic}`;
    case "ledger_entries":
      return `${step.effect_key}: ${step.amount_cents > 0 ? "+" : ""}${amount} for user ${step.user_id}`;
    case "parked_events":
      return `${step.effect_key ?? "a record"}: ${step.reason}${step.resolution ? `, ${step.resolution}` : ""}`;
    default:
      return "";
  }
}
