/**
 * What the address says about this visit: who is here, and what Stripe sent the browser back with.
 */

import { forget, read, write } from "./store.js";

const TOKEN = "token";

/**
 * Keep the token of the fragment, and remove it from the address and the history entry. True if there was one;
 * one that is none ends the visit of whoever was here before.
 */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return false;
  history.replaceState(null, "", location.pathname + location.search);
  // Anything else cannot be the value of a header.
  if (/^[\x21-\x7e]+$/.test(token)) write(TOKEN, token);
  else forgetToken();
  return true;
}

export const currentToken = () => read(TOKEN);

export const forgetToken = () => forget(TOKEN);

/** `{outcome: "success" | "cancel" | null, sessionId: string | null}` */
export function returned() {
  const query = new URLSearchParams(location.search);
  const status = query.get("status");
  return {
    outcome: status === "success" || status === "cancel" ? status : null,
    sessionId: query.get("session_id"),
  };
}

/** From here on a reload, a bookmark or "back" shows the plain page. */
export function clearReturn() {
  history.replaceState(null, "", location.pathname);
}
