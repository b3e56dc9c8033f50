/**
 * Following a payment from Stripe's page to the balance.
 */

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5_000;
const GROWTH = 1.5;
const SLOW_AFTER_MS = 60_000;
const SLOW_DELAY_MS = 30_000;

const LOOKUP_PAGES = 5;
const LOOKUP_PAGE_SIZE = 100;

const OPEN = new Set(["session_pending", "session_created", "session_failed"]);
const PAID = new Set(["payment_processing", "payment_succeeded"]);
const FAILED = new Set(["session_failed", "payment_failed", "session_expired"]);

/** True if the user has not paid yet, and still can. */
export const isOpen = ({ status }) => OPEN.has(status);

/** True if the user has paid, even if the bank is still at it. */
export const isPaid = (payment) => PAID.has(payment?.status);

/** True if the payment changes the balance. An application can also ask for others. */
export const isTopUp = ({ purpose }) => purpose === "balance_topup";

/** True if nothing more happens unless the user acts. */
export const isSettled = ({ status, credited, purpose }) =>
  credited || FAILED.has(status) || (status === "payment_succeeded" && !isTopUp({ purpose }));

/** The money that was paid, or is to be paid. */
export const priceOf = ({ paid_cents: paid, amount_cents: asked }) => paid ?? asked;

/** What moves the balance, or is to. A release before prices does not say it: there it is what was paid. */
export const creditOf = (payment) => payment.credit_cents ?? priceOf(payment);

/** The id of the request that made a session of Stripe's; null if it is not among the user's latest. */
export async function findRequest(api, sessionId) {
  // Otherwise any request without a session would match.
  if (sessionId === null) return null;
  let cursor = null;
  for (let page = 0; page < LOOKUP_PAGES; page += 1) {
    const { transactions, next_cursor: next } = await api.transactions({ limit: LOOKUP_PAGE_SIZE, cursor });
    const found = transactions.find((transaction) => transaction.session_id === sessionId);
    if (found) return found.request_id;
    if (next === null) return null;
    cursor = next;
  }
  return null;
}

/**
 * Ask until the payment is settled, and return it; null if the user has no such payment. `report` gets each
 * answer (null while there is none), and whether it takes long by now. Throws if the user is not signed in.
 */
export async function follow(api, requestId, report) {
  if (requestId === null) return null;
  const start = Date.now();
  let delay = FIRST_DELAY_MS;
  let session = null;
  for (;;) {
    try {
      session = await api.session(requestId);
    } catch (error) {
      if (error.status === 401) throw error;
      if (error.status === 404) return null;
    }
    if (session !== null && isSettled(session)) return session;
    const isSlow = Date.now() - start >= SLOW_AFTER_MS;
    report(session, isSlow);
    await sleep(isSlow ? SLOW_DELAY_MS : delay);
    delay = Math.min(delay * GROWTH, LONGEST_DELAY_MS);
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
