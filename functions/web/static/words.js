/**
 * What the page says: one place for the words of states and failures.
 */

import { formatCoins } from "./money.js";

const SAFE_TO_LEAVE = "It is safe to leave this page: the coins are added by themselves.";

const SIGN_IN = "Open this page again from the application where you signed in.";

export const NOT_SIGNED_IN = {
  tone: "wait",
  title: "You are not signed in",
  text: "Sign in to the application that your balance belongs to, and open your balance from there.",
};

export const SESSION_EXPIRED = {
  tone: "wait",
  title: "Your session has expired",
  text: `${SIGN_IN} Nothing is lost: payments go on, and an amount that you sent is kept.`,
};

export const NOT_FOUND_IN_HISTORY = {
  tone: "wait",
  title: "This payment is not in your history",
  text: "It may belong to another account. If you paid with this one, it will appear below.",
};

export const cancelled = (amount) => ({
  tone: "info",
  title: "Payment cancelled",
  text: `Nothing was charged.${resume(amount)}`,
});

export const unfinished = (amount) => ({
  tone: "info",
  title: "Your last top-up is not finished",
  text: `Nothing was charged yet.${resume(amount)}`,
});

const resume = (amount) =>
  amount ? ` Your ${formatCoins(amount)} are still filled in: continue whenever you like.` : "";

export const unavailable = (error) => ({
  tone: "bad",
  title: "Your balance cannot be shown right now",
  text: error.status === 404
    ? "This account is not known here."
    : "The server did not answer as it should. Your coins are safe.",
});

export const credited = (amount) => ({
  tone: "good",
  title: "Payment received",
  text: `${formatCoins(amount)} ${BigInt(amount) === 1n ? "was" : "were"} added to your balance.`,
});

/** What a payment is up to that is not credited yet. `isSlow`: it takes longer than payments usually do. */
export function progress(session, isSlow) {
  switch (session?.status) {
    case "payment_processing":
      return {
        tone: "wait",
        title: "Your bank is processing the payment",
        text: `This can take several days. ${SAFE_TO_LEAVE}`,
      };
    case "payment_failed":
      return {
        tone: "bad",
        title: "The payment failed",
        text: "The bank did not carry it out. No coins were added; you can try again, or pay another way.",
      };
    case "session_expired":
      return {
        tone: "bad",
        title: "The payment page expired",
        text: "It was not paid in time. Nothing was charged, and you can start again.",
      };
    case "session_failed":
      return {
        tone: "bad",
        title: "The payment could not be started",
        text: "Nothing was charged, and you can start again.",
      };
    default:
      return isSlow
        ? { tone: "wait", title: "Still processing", text: SAFE_TO_LEAVE }
        : { tone: "wait", title: "Payment received", text: "Adding the coins to your balance…" };
  }
}

/** Why "Continue to Stripe" did not lead there. */
export function refusal(error) {
  switch (error.status) {
    case 0:
      return bad(
        "The connection was lost",
        "Your amount is kept. Try again: it is the same payment, so you cannot be charged twice.",
      );
    case 400:
      return bad("This top-up was not accepted", error.detail);
    case 404:
      return bad("Your account was not found", "Coins cannot be added to it. Nothing was charged.");
    case 409:
      return bad(
        "This top-up was already started differently",
        "Nothing new was charged. Your amount is kept; continue to start a new one.",
      );
    case 429:
      return bad(
        "Too many top-ups were started",
        `Your amount is kept. Please try again ${inTime(error.retryAfter)}.`,
      );
    case 502:
    case 503:
      return bad(
        "Stripe cannot be reached right now",
        "Nothing was charged, and your amount is kept. Please try again in a moment.",
      );
    default:
      return bad(
        "Something went wrong on our side",
        "Your amount is kept. Try again: it is the same payment, so you cannot be charged twice.",
      );
  }
}

/** A transaction's state in the history: `{tone, label}`. */
export function statusOf({ status, credited }) {
  if (credited) return { tone: "good", label: "Added" };
  switch (status) {
    case "session_pending": return { tone: "none", label: "Starting" };
    case "session_created": return { tone: "none", label: "Not paid yet" };
    case "session_failed": return { tone: "bad", label: "Not started" };
    case "payment_processing": return { tone: "wait", label: "Processing at the bank" };
    case "payment_succeeded": return { tone: "wait", label: "Paid, being added" };
    case "payment_failed": return { tone: "bad", label: "Payment failed" };
    case "session_expired": return { tone: "none", label: "Expired, not paid" };
    default: return { tone: "none", label: status };
  }
}

const bad = (title, text) => ({ tone: "bad", title, text });

function inTime(seconds) {
  if (seconds === null) return "later";
  const [value, unit] = seconds < 90 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return new Intl.RelativeTimeFormat("en").format(value, unit);
}
