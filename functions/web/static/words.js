/**
 * What the page says about states and failures.
 */

import { formatCoins } from "./money.js";
import { isTopUp } from "./payment.js";

const SAME_PAYMENT = "Try again: it stays one payment.";

export const LOADING = { tone: "quiet", title: "Loading your balance…" };

export const NOT_SIGNED_IN = {
  tone: "wait",
  title: "You are not signed in",
  text: "Sign in to the application that your balance belongs to, and open your balance from there.",
};

export const SESSION_EXPIRED = {
  tone: "wait",
  title: "Your session has expired",
  text: "Open this page again from the application where you signed in. Nothing is lost: payments continue.",
};

export const account = (id) => `This is the balance of account ${id}.`;

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

const PAID = {
  tone: "good",
  title: "Paid",
  text: "This payment is not for your balance: no coins are added.",
};

export const credited = (amount) => ({
  tone: "good",
  title: "Payment received",
  text: `${formatCoins(amount)} ${BigInt(amount) === 1n ? "was" : "were"} added to your balance.`,
});

/** The progress of a payment that is not credited yet. `isSlow`: it takes longer than payments usually do. */
export function progress(session, isSlow) {
  const addsCoins = session === null || isTopUp(session);
  const safeToLeave = `It is safe to leave this page: ${
    addsCoins ? "the coins are added automatically" : "the payment continues automatically"
  }.`;
  if (session?.status === "payment_succeeded" && !addsCoins) return PAID;
  switch (session?.status) {
    case "payment_processing":
      return {
        tone: "wait",
        title: "Your bank is processing the payment",
        text: `This can take several days. ${safeToLeave}`,
      };
    case "payment_failed":
      return {
        tone: "bad",
        title: "The payment failed",
        text: addsCoins
          ? "The bank did not carry it out. No coins were added. You can try again, or pay another way."
          : "The bank did not carry it out. You can try again, or pay another way.",
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
        ? { tone: "wait", title: "Still processing", text: safeToLeave }
        : {
          tone: "wait",
          title: "Payment received",
          text: addsCoins ? "Adding the coins to your balance…" : "Waiting for its confirmation…",
        };
  }
}

/** Why "Continue to Stripe" did not lead there. Nothing was charged, since only Stripe's page takes payments. */
export function refusal(error) {
  switch (error.status) {
    case 0:
      return notCharged("No answer came back", SAME_PAYMENT);
    case 400:
      return notCharged("This top-up was not accepted", error.detail);
    case 404:
      return notCharged("Your account was not found", "Coins cannot be added to it.");
    case 409:
      return notCharged("This top-up was already started differently", "Continue to start a new one.");
    case 429:
      return notCharged("Too many top-ups were started", `Please try again ${inTime(error.retryAfter)}.`);
    case 502:
      return notCharged("Stripe cannot be reached right now", "Please try again in a moment.");
    case 503:
      return notCharged("Top-ups are not available right now", "Please try again in a moment.");
    default:
      return notCharged("Something went wrong on our side", SAME_PAYMENT);
  }
}

/** A transaction's state in the history: `{tone, label}`. */
export function statusOf({ status, credited, purpose }) {
  if (credited) return { tone: "good", label: "Added" };
  switch (status) {
    case "session_pending": return { tone: "none", label: "Starting" };
    case "session_created": return { tone: "none", label: "Not paid yet" };
    case "session_failed": return { tone: "bad", label: "Not started" };
    case "payment_processing": return { tone: "wait", label: "Processing at the bank" };
    case "payment_succeeded":
      return isTopUp({ purpose })
        ? { tone: "wait", label: "Paid, being added" }
        : { tone: "good", label: "Paid" };
    case "payment_failed": return { tone: "bad", label: "Payment failed" };
    case "session_expired": return { tone: "none", label: "Expired, not paid" };
    default: return { tone: "none", label: status };
  }
}

const notCharged = (title, text) => ({
  tone: "bad",
  title,
  text: `Nothing was charged, and your amount is kept. ${text}`,
});

function inTime(seconds) {
  if (seconds === null) return "later";
  const [value, unit] = seconds < 90 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return new Intl.RelativeTimeFormat("en").format(value, unit);
}
