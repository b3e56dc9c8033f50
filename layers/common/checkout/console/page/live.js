// The money's way as a picture, and where each of the newest payments is on it.

import { read, turn } from "./api.js";
import { hasSwitchboard, problem, switchboardLink } from "./away.js";
import { announce, clock, draw, duration, element, money, notice, pause, paymentLink, swap, table, timeCell } from "./parts.js";

const BRIEF_MS = 1000;
const FULL_MS = 60_000;
const STATIONS = ["stripe", "inbox", "outbox", "kafka", "ledger"];
const NAMES = { stripe: "Stripe", inbox: "Inbox", outbox: "Outbox", kafka: "Kafka", ledger: "Ledger" };
const SAYS = {
  stripe: "at Stripe, not paid yet",
  inbox: "its event waits or is held",
  outbox: "waits for Kafka",
  kafka: "on Kafka, not in the ledger yet",
  parked: "parked: it could not be applied",
  ledger: "credited",
  ended: "ended",
};

export function show(main, signal) {
  const switches = element("div");
  const attention = element("div");
  const flow = element("ol", { class: "flow", "aria-label": "The money's way" });
  const figures = element("dl", { class: "figures" });
  const chart = element("div");
  const newest = element("section", { "aria-label": "Newest payments" });
  swap(main, element("h2", {}, "Live"), switches, attention, flow, newest, element("h3", {}, "The last 24 hours"), figures, chart);

  let full = null;
  let fullAt = 0;
  let seenAt = null;
  (async () => {
    while (!signal.aborted) {
      try {
        if (hasSwitchboard()) {
          const turned = await turn();
          draw(switches, turned, () => switchedOf(turned));
        }
        if (Date.now() - fullAt > FULL_MS) {
          full = await read("overview");
          fullAt = Date.now();
          swap(figures, figuresOf(full));
          swap(chart, chartOf(full.minutes));
        }
        const now = await read("overview", "--brief");
        if (signal.aborted) return;
        seenAt = now.at;
        draw(attention, now.attention, () => attentionOf(now.attention));
        draw(flow, [now.newest, now.queues, now.attention, full], () => flowOf(now, full));
        draw(newest, now.newest, () => newestOf(now));
      } catch (error) {
        if (signal.aborted) return;
        const old = seenAt ? element("p", { class: "quiet" }, `What is below was so at ${clock(seenAt)}.`) : null;
        swap(attention, problem(error), old);
      }
      await pause(BRIEF_MS, signal);
    }
  })();
}

function attentionOf(found) {
  if (!found.length) return notice("good", "Nothing needs attention.");
  announce(found.map((one) => one.sentence).join(" "));
  return found.map((one) =>
    notice("bad", element("strong", {}, one.sentence), " ", one.remedy, " ", linkOf(one.queue)),
  );
}

/** What somebody has changed at the switchboard. */
function switchedOf(switches) {
  const changed = switches.filter((one) => !["normal", "running", "away"].includes(one.state)).map((one) => `${one.name}: ${one.state}`);
  return changed.length ? notice("wait", `At the switchboard: ${changed.join("; ")}. `, switchboardLink()) : null;
}

const LINKS = { held: "#queues", waiting: "#queues", parked: "#queues", uncredited: "#queues", outbox: "#queues" };
const linkOf = (queue) => (LINKS[queue] ? element("a", { href: LINKS[queue], "data-key": `to ${queue}` }, "Look") : null);

function flowOf(now, full) {
  const queue = Object.fromEntries(now.queues.map((one) => [one.queue, one]));
  const troubled = new Set(now.attention.map((one) => one.queue));
  const open = now.newest.filter((payment) => payment.station === "stripe").length;
  const unknown = (one) => (one?.depth === null || !one ? "?" : String(one.depth));
  const stations = {
    stripe: [String(open), "of the newest are not paid yet"],
    inbox: [
      String((queue.held?.depth ?? 0) + (queue.waiting?.depth ?? 0)),
      `${unknown(queue.held)} held, ${unknown(queue.waiting)} waiting`,
    ],
    outbox: [unknown(queue.outbox), ageOf(queue.outbox, "wait for Kafka")],
    kafka: [unknown(queue.uncredited), ageOf(queue.uncredited, "paid, not credited")],
    ledger: [full ? String(full.credits) : "…", `credits in 24 h, ${unknown(queue.parked)} parked`],
  };
  const of = { stripe: [], inbox: ["held", "waiting"], outbox: ["outbox"], kafka: ["uncredited"], ledger: ["parked"] };
  return STATIONS.map((name) => {
    const isTroubled = of[name].some((one) => troubled.has(one));
    const [count, what] = stations[name];
    return element(
      "li",
      { "data-tone": isTroubled ? "bad" : "good", "data-station": name },
      element("span", { class: "name" }, NAMES[name], isTroubled ? " – needs attention" : null),
      element("strong", {}, count),
      element("span", { class: "quiet" }, what),
    );
  });
}

const ageOf = (one, what) => (one?.depth ? `${what}, oldest ${duration(one.oldest_seconds)}` : what);

function newestOf(now) {
  const rows = now.newest.map((payment) => [
    timeCell(payment.created_at, clock),
    paymentLink(payment.request_id),
    paymentLink(payment.user_id),
    money(payment.amount_cents, payment.currency),
    trackOf(payment),
  ]);
  return table("Newest payments", ["Begun", "Request", "User", "Amount", "Where it is"], rows, "No payment yet.");
}

function trackOf(payment) {
  const reached = payment.station === "parked" ? 3 : STATIONS.indexOf(payment.station);
  const tone = { parked: "bad", ledger: "good", ended: "quiet" }[payment.station] ?? "wait";
  const says = payment.station === "ended" ? payment.status.replaceAll("_", " ") : SAYS[payment.station];
  const took =
    payment.entered_at && payment.completed_at
      ? ` in ${duration(Math.max(0, (new Date(payment.entered_at) - new Date(payment.completed_at)) / 1000))}`
      : "";
  const back = payment.reversed_cents ? `, ${money(payment.reversed_cents, payment.currency)} taken back` : "";
  const why = payment.reason ? ` (${payment.reason})` : "";
  const dots = STATIONS.map((_, place) => element("i", { "data-on": place <= reached }));
  return element(
    "span",
    { class: "track", "data-tone": tone, "data-station": payment.station },
    element("span", { class: "dots", "aria-hidden": "true" }, dots),
    `${says}${took}${back}${why}`,
  );
}

function figuresOf(full) {
  const more = full.complete ? "" : "more than ";
  const pairs = [
    ["Payments asked for", `${more}${full.payments}`],
    ["Payments that succeeded", `${more}${full.payments_by_status.payment_succeeded ?? 0}`],
    ["Credits", `${more}${full.credits}`],
    ["Reversals", `${more}${full.reversals}`],
    ["Time to credit, median", duration(full.credit_seconds_p50)],
    ["Time to credit, 99th percentile", duration(full.credit_seconds_p99)],
  ];
  return pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

const WIDTH = 720;
const HEIGHT = 120;

/** Bars: credits a minute. Lines: the median and the 99th percentile of their time, on one scale. */
function chartOf(minutes) {
  const most = Math.max(1, ...minutes.map((minute) => minute.credits));
  const slowest = Math.max(1, ...minutes.map((minute) => minute.p99 ?? 0));
  const step = WIDTH / minutes.length;
  const bars = minutes.map((minute, place) => {
    const height = (minute.credits / most) * HEIGHT;
    const bar = svg("rect", { x: place * step + 1, y: HEIGHT - height, width: step - 2, height, class: "bar" });
    const time = minute.credits ? `, median ${duration(minute.p50)}, 99th percentile ${duration(minute.p99)}` : "";
    bar.append(svg("title", {}, `${clock(minute.at)}: ${minute.credits} credits${time}`));
    return bar;
  });
  const line = (percentile) => {
    const points = minutes
      .map((minute, place) => [place * step + step / 2, minute[percentile]])
      .filter(([, seconds]) => seconds !== null)
      .map(([x, seconds]) => [x, HEIGHT - (seconds / slowest) * HEIGHT]);
    return [
      svg("polyline", { points: points.join(" "), class: `line ${percentile}` }),
      ...points.map(([cx, cy]) => svg("circle", { cx, cy, r: 2.5, class: `point ${percentile}` })),
    ];
  };
  const total = minutes.reduce((sum, minute) => sum + minute.credits, 0);
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `${total} credits in the last hour, at most ${most} a minute; the slowest minute's 99th percentile is ${duration(slowest)}`,
    },
    ...bars,
    ...line("p50"),
    ...line("p99"),
  );
  const hour = (minute) => new Date(minute.at).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
  const caption = `The last hour. Bars: credits a minute, at most ${most}. Lines: the time to credit, dashed its median, solid its 99th percentile, at most ${duration(slowest)}.`;
  const axis = (...ends) => element("div", { class: "axis", "aria-hidden": "true" }, ends.map((end) => element("span", {}, end)));
  return element("figure", {}, axis(`${most} a minute`, duration(slowest)), picture, axis(hour(minutes[0]), hour(minutes.at(-1))), element("figcaption", { class: "quiet" }, caption));
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
