/**
 * The account whose balance is shown. The maker of a link chooses the account that it signs in, and that account
 * gets what is paid: so the page names the account, and changes to another one only if the user agrees.
 */

import { Api } from "./api.js";
import { announce } from "./message.js";
import { acceptOffer, currentToken, lastAccount, offeredToken, refuseOffer, rememberAccount } from "./visit.js";
import * as words from "./words.js";

const dialog = document.getElementById("switch");

document.getElementById("stay").addEventListener("click", () => dialog.close());
document.getElementById("leave").addEventListener("click", () => dialog.close("leave"));

export function showAccount(id) {
  rememberAccount(id);
  fill("[data-account]", id);
}

/** A negative balance is shown as it is, with the reason. `format` makes a text of an amount of the balance. */
export function showBalance({ balance_cents: amount }, format) {
  document.getElementById("balance-figure").textContent = format(amount);
  document.getElementById("balance-debt").hidden = amount >= 0;
}

function fill(places, id) {
  for (const place of document.querySelectorAll(places)) place.textContent = String(id);
}

/**
 * `{token, balance}`: the token of this tab, or that of a link if it is for the same account or the user wants it;
 * null if there is none. The balance is null unless it was fetched for the decision. Throws ApiError if that fails,
 * with 401 if the link's token is not valid.
 */
export async function chosenAccount() {
  const offered = offeredToken();
  if (offered === null) return { token: currentToken(), balance: null };
  const [present, balance] = await Promise.all([presentAccount(), balanceOf(offered)]);
  const other = String(balance.user_id);
  if (present === null || present === other) {
    acceptOffer();
    return { token: offered, balance };
  }
  if (await wantsToLeave(present, other)) acceptOffer();
  else refuseOffer();
  return { token: currentToken(), balance: null };
}

const balanceOf = (token) => new Api(token).balance();

async function presentAccount() {
  if (lastAccount() !== null || currentToken() === null) return lastAccount();
  try {
    return String((await balanceOf(currentToken())).user_id);
  } catch (error) {
    // Nothing can be paid into an account that is not signed in, or not there.
    if (error.status === 401 || error.status === 404) return null;
    throw error;
  }
}

/** Ask in a dialog; Escape means no. */
function wantsToLeave(present, other) {
  fill("[data-present]", present);
  fill("[data-other]", other);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const leaves = dialog.returnValue === "leave";
      announce(words.account(leaves ? other : present));
      resolve(leaves);
    }, { once: true });
  });
}
