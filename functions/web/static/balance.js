/**
 * The balance as a figure. A negative one is shown as it is, with the reason.
 */

/** `format` makes a text of an amount of the balance. */
export function showBalance({ balance_cents: amount }, format) {
  document.getElementById("balance-figure").textContent = format(amount);
  document.getElementById("balance-debt").hidden = amount >= 0;
}
