/**
 * What the address says about this visit: who is here, and what Stripe sent the browser back with.
 */

import { forget, read, write } from "./store.js";

const TOKEN = "token";
const OFFER = "offer";
const ACCOUNT = "account";

/**
 * Keep the token of the fragment, and remove it from the address and the history entry. True if there was one.
 * If somebody was here before, it is an offer to be accepted or refused, however often the page is loaded until
 * then. One that is none ends their visit.
 */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return false;
  history.replaceState(null, "", location.pathname + location.search);
  // Anything else cannot be the value of a header.
  if (!/^[\x21-\x7e]+$/.test(token)) forgetToken();
  else if (currentToken() === token) refuseOffer();
  else if (currentToken() === null && lastAccount() === null) write(TOKEN, token);
  else write(OFFER, token);
  return true;
}

export const currentToken = () => read(TOKEN);

/** Whose balance this tab showed last, also after the end of the visit: signing out must not open the door. */
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

/** From here on a reload, a bookmark or "back" shows the plain page. */
export function clearReturn() {
  history.replaceState(null, "", location.pathname);
}
