/**
 * What the page says about states and failures, in the customer's words.
 */

import { locale, say } from "./language.js";
import { isTopUp } from "./payment.js";

const UNITS = [[3600, "hour"], [60, "minute"]];

export const LOADING = { tone: "quiet", title: say("loading") };
export const SESSION_EXPIRED = message("wait", "signed_out");
export const NOT_FOUND_IN_HISTORY = message("wait", "not_in_history");

/** `outcome`: of a return from Stripe. Anybody can make such a link, so it is not believed: "If you have paid, …". */
export function notSignedIn(outcome) {
  switch (outcome) {
    case "success": return message("wait", "paid_elsewhere");
    case "cancel": return message("info", "left_elsewhere");
    default: return message("wait", "not_signed_in");
  }
}

export const account = (id) => say("shown_account", { account: id });

/** `amount`: what is still filled in, as a text; undefined if nothing is. */
export const cancelled = (amount) => resumable("cancelled", amount);

export const unfinished = (amount) => resumable("unfinished", amount);

function resumable(key, amount) {
  const { tone, title, text } = message("info", key);
  return { tone, title, text: amount === undefined ? text : `${text} ${say("resume", { amount })}` };
}

export const unavailable = (error) =>
  message("bad", "unavailable", say(error.status === 404 ? "unknown_account" : "unavailable_text"));

export const credited = (credit) => message("good", "received", say("credited_text", { credit }));

/** The progress of a payment that is not credited yet. `isSlow`: it takes longer than payments usually do. */
export function progress(session, isSlow) {
  const isForBalance = session === null || isTopUp(session);
  const safeToLeave = say(isForBalance ? "safe_to_leave" : "safe_to_leave_otherwise");
  if (session?.status === "payment_succeeded" && !isForBalance) return message("good", "paid");
  switch (session?.status) {
    case "payment_processing":
      return message("wait", "processing", `${say("processing_text")} ${safeToLeave}`);
    case "payment_failed": return message("bad", "failed");
    case "session_expired": return message("bad", "expired");
    case "session_failed": return message("bad", "not_started");
    default:
      return isSlow
        ? message("wait", "slow", safeToLeave)
        : message("wait", "received", say(isForBalance ? "received_text" : "received_otherwise_text"));
  }
}

/** Why "Continue to Stripe" did not lead there. Nothing was charged, since only Stripe's page takes payments. */
export function refusal(error) {
  switch (error.status) {
    case 0: return notCharged("no_answer", say("same_payment"));
    case 400: return notCharged("not_accepted");
    case 404: return notCharged("no_account");
    case 409: return notCharged("conflict");
    case 429: return notCharged("too_many", say("too_many_text", { time: inTime(error.retryAfter) }));
    case 502: return notCharged("stripe_away", say("in_a_moment"));
    case 503: return notCharged("not_available", say("in_a_moment"));
    default: return notCharged("our_mistake", say("same_payment"));
  }
}

/** A transaction's state in the history: `{tone, label}`. */
export function statusOf({ status, credited: isCredited, purpose }) {
  if (isCredited) return { tone: "good", label: say("added") };
  switch (status) {
    case "session_pending": return { tone: "none", label: say("status_starting") };
    case "session_created": return { tone: "none", label: say("status_not_paid") };
    case "session_failed": return { tone: "bad", label: say("status_not_started") };
    case "payment_processing": return { tone: "wait", label: say("status_processing") };
    case "payment_succeeded":
      return isTopUp({ purpose })
        ? { tone: "wait", label: say("status_being_added") }
        : { tone: "good", label: say("paid") };
    case "payment_failed": return { tone: "bad", label: say("status_failed") };
    case "session_expired": return { tone: "none", label: say("status_expired") };
    default: return { tone: "none", label: status };
  }
}

function message(tone, key, text = say(`${key}_text`)) {
  return { tone, title: say(key), text };
}

function notCharged(key, text) {
  const { tone, title, text: advice } = message("bad", key, text);
  return { tone, title, text: `${say("not_charged")} ${advice}` };
}

function inTime(seconds) {
  if (seconds === null) return say("later");
  const [size, unit] = UNITS.find(([size]) => seconds >= 1.5 * size) ?? [1, "second"];
  return new Intl.RelativeTimeFormat(locale).format(Math.ceil(seconds / size), unit);
}
