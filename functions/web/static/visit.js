/**
 * What the address says about this visit: the user's token, and what Stripe's redirect reports.
 */

import { forget, read, write } from "./store.js";

const TOKEN = "token";
const OFFER = "offer";
const ACCOUNT = "account";

/**
 * Keep the token of the fragment, and remove it from the address and the history entry. True if there was one.
 * If this tab has shown an account before, the token is kept as an offer until it is accepted or refused. An
 * invalid one ends the visit.
 */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return false;
  history.replaceState(null, "", location.pathname + location.search);
  // Nothing else can be the value of a header.
  if (!/^[\x21-\x7e]+$/.test(token)) forgetToken();
  else if (currentToken() === token) refuseOffer();
  else if (currentToken() === null && lastAccount() === null) write(TOKEN, token);
  else write(OFFER, token);
  return true;
}

export const currentToken = () => read(TOKEN);

/** The account that this tab showed last, even after the visit: signing out must not let a link change it. */
export const lastAccount = () => read(ACCOUNT);

export const rememberAccount = (id) => write(ACCOUNT, String(id));

export const offeredToken = () => read(OFFER);

export function acceptOffer() {
  write(TOKEN, offeredToken());
  forget(OFFER);
}

export const refuseOffer = () => forget(OFFER);

export function forgetToken() {
  forget(TOKEN);
  forget(OFFER);
}

/** `{outcome: "success" | "cancel" | null, sessionId: string | null}` */
export function returned() {
  const query = new URLSearchParams(location.search);
  const status = query.get("status");
  return {
    outcome: status === "success" || status === "cancel" ? status : null,
    sessionId: query.get("session_id"),
  };
}

/** Afterwards a reload, a bookmark or "back" shows the plain page. */
export function clearReturn() {
  history.replaceState(null, "", location.pathname);
}
