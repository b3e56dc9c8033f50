/**
 * The balance as a figure. A negative one is shown as it is, with the reason.
 */

import { coinUnit, formatMoney, formatNumber } from "./money.js";

export function showBalance({ balance_cents: amount, currency }) {
  document.getElementById("balance-coins").textContent = formatNumber(amount);
  document.getElementById("balance-unit").textContent = coinUnit(amount);
  document.getElementById("balance-money").textContent = formatMoney(amount, currency);
  document.getElementById("balance-debt").hidden = amount >= 0;
}
