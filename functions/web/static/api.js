/**
 * The checkout API, as this page uses it. Every failure is an ApiError.
 */

// API Gateway gives up after 30 seconds. Waiting a little longer shows what became of the request.
const TIMEOUT_MS = 35_000;

export class ApiError extends Error {
  /** `status` is 0 if there was no usable answer: the outcome is unknown. `detail` is for developers. */
  constructor(status, { detail = "", retryAfter = null } = {}) {
    super(detail || `The API answered ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  /** The configuration in the page. If it has none, the server's answer says why. */
  async config() {
    const written = document.getElementById("config");
    return written === null ? request("/balance/config.json") : parse(written.textContent);
  }

  balance() {
    return this.#get("/checkout/balance");
  }

  session(requestId) {
    return this.#get(`/checkout/sessions/${encodeURIComponent(requestId)}`);
  }

  transactions({ limit, cursor = null }) {
    const query = new URLSearchParams({ limit });
    if (cursor !== null) query.set("cursor", cursor);
    return this.#get(`/checkout/transactions?${query}`);
  }

  createSession({ amount_cents, currency, request_id }) {
    return request("/checkout/sessions", {
      method: "POST",
      headers: { ...this.#authorization(), "content-type": "application/json" },
      body: JSON.stringify({ amount_cents, currency, request_id }),
    });
  }

  #get(path) {
    return request(path, { headers: this.#authorization(), cache: "no-store" });
  }

  #authorization() {
    return { authorization: `Bearer ${this.#token}` };
  }
}

async function request(path, options = {}) {
  let answer;
  let body;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    body = await answer.text();
  } catch {
    throw new ApiError(0);
  }
  const value = parse(body);
  if (!answer.ok) {
    const retryAfter = Number(answer.headers.get("retry-after")) || null;
    throw new ApiError(answer.status, { detail: value?.detail, retryAfter });
  }
  if (typeof value !== "object" || value === null) throw new ApiError(0);
  return value;
}

function parse(body) {
  try {
    return JSON.parse(body, exact);
  } catch {
    return undefined;
  }
}

/** A balance may be greater than a double can count. */
function exact(_key, value, context) {
  return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
    ? BigInt(context.source)
    : value;
}
