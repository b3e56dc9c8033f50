/**
 * An attempt to top up: made before the first request, kept in this tab until Stripe took the payment or the
 * session ended. If an answer is lost, the attempt is sent again with the same request_id, so it is paid once.
 */

import { forget, read, write } from "./store.js";

const ATTEMPT = "attempt";

/** The attempt that this user has not finished, or null. */
export function openAttempt(userId) {
  const attempt = read(ATTEMPT);
  return attempt?.user_id === String(userId) && !hasEnded(attempt) ? attempt : null;
}

/** The open attempt, if it is for this amount; otherwise a new one. */
export function attemptFor(userId, amount, currency) {
  const open = openAttempt(userId);
  if (open?.amount_cents === amount && open.currency === currency) return open;
  const attempt = {
    request_id: newRequestId(),
    user_id: String(userId),
    amount_cents: amount,
    currency,
  };
  write(ATTEMPT, attempt);
  return attempt;
}

/** Stripe's session exists: until it ends, the attempt leads back to it. */
export function sessionOpened(attempt, { session_id, expires_at }) {
  write(ATTEMPT, { ...attempt, session_id, expires_at });
}

/** The next top-up is a new attempt, even for the same amount. */
export function closeAttempt() {
  forget(ATTEMPT);
}

export function hasEnded({ expires_at: expiresAt }) {
  return Date.parse(expiresAt) <= Date.now();
}

/** A UUID of version 7 (RFC 9562), whose beginning is the time: so the indexes that have it grow at their ends. */
function newRequestId() {
  const time = Date.now().toString(16).padStart(12, "0");
  const random = crypto.randomUUID(); // Of version 4: "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
