// What waits for somebody: parked records and held events, and the acts that settle them.

import { act, addUser, adjust } from "./acts.js";
import { read } from "./api.js";
import { fill } from "./away.js";
import { decide } from "./decision.js";
import { duration, element, paymentLink, swap, table, timeCell } from "./parts.js";

const NO_SUCH_USER = "there is no such user";

export async function show(main, signal) {
  const content = element("div", {}, element("p", { class: "quiet" }, "Loading …"));
  swap(main, element("h2", {}, "Queues"), content);
  const refresh = () =>
    fill(content, signal, async () => {
      const overview = await read("overview", "--brief");
      const parked = await read("parked", "list");
      const held = await read("held", "list", "--waiting");
      const asked = await read("requests");
      return [
        depthsOf(overview.queues, refresh),
        ...(asked.requests.length ? [askedOf(asked.requests, refresh)] : []),
        parkedOf(parked.parked, refresh),
        heldOf(held.held, refresh),
      ];
    });
  await refresh();
}

function depthsOf(queues, refresh) {
  const rows = queues.map((one) => [
    one.queue,
    one.depth === null ? "unknown" : String(one.depth),
    one.depth ? duration(one.oldest_seconds) : "–",
  ]);
  return element(
    "section",
    {},
    table("What waits", ["Queue", "Depth", "Oldest"], rows, ""),
    element(
      "p",
      {},
      act("Reconcile now", "reconcile", () => decide({ title: "Reconcile", words: ["reconcile"], then: refresh, announces: "Do now what the schedule does every 15 minutes: it reads what was missed, and emits what is not in the ledger." })),
    ),
  );
}

function askedOf(requests, refresh) {
  const rows = requests.map((request) => [
    timeCell(request.requested_at),
    request.requested_by,
    request.plan,
    act("Approve", `approve ${request.id}`, () => decide({ title: `Approve request ${request.id}`, words: ["approve", request.id], byOperator: true, then: refresh })),
  ]);
  return table("Waits for a second operator", ["Since", "Asked by", "What", "Decide"], rows, "");
}

function parkedOf(records, refresh) {
  const rows = records.map((record) => [
    timeCell(record.created_at),
    record.effect_key ? paymentLink(record.request_id ?? record.user_id, record.effect_key) : "unreadable",
    record.user_id === null ? null : paymentLink(record.user_id),
    record.reason,
    element(
      "span",
      { class: "row" },
      act("Replay", `replay ${record.id}`, () => decide({ title: `Replay parked record ${record.id}`, words: ["parked", "replay", record.id], byOperator: true, then: refresh })),
      act("Discard", `discard ${record.id}`, () => decide({ title: `Discard parked record ${record.id}`, words: ["parked", "discard", record.id], byOperator: true, reason: true, then: refresh })),
      record.user_id === null ? null : record.reason === NO_SUCH_USER ? addUser(record.user_id, refresh) : adjust(record.user_id, refresh),
    ),
  ]);
  return table("Parked records", ["Since", "Effect", "User", "Reason", "Decide"], rows, "No record is parked.");
}

function heldOf(events, refresh) {
  const rows = events.map((event) => [
    timeCell(event.received_at),
    event.payment_intent_id || event.request_id ? paymentLink(event.request_id ?? event.payment_intent_id, `${event.type} ${event.event_id}`) : `${event.type} ${event.event_id}`,
    event.outcome,
    event.reason,
    element(
      "span",
      { class: "row" },
      act("Replay", `replay ${event.event_id}`, () => decide({ title: `Replay ${event.event_id}`, words: ["held", "replay", event.event_id], byOperator: true, then: refresh })),
      act("Discard", `discard ${event.event_id}`, () => decide({ title: `Discard ${event.event_id}`, words: ["held", "discard", event.event_id], byOperator: true, reason: true, then: refresh })),
    ),
  ]);
  return table("Stripe's events that are held or wait", ["Since", "Event", "State", "Reason", "Decide"], rows, "No event is held, and none waits.");
}
