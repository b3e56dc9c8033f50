/**
 * Amounts are integers (numbers or BigInts) in the minor unit that Stripe uses, or in units of the balance.
 */

import { locale } from "./language.js";

// Stripe's lists, not those of Intl: Stripe counts ISK and UGX in hundredths, although neither has any.
const ZERO_DECIMAL = new Set([
  "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
]);
const THREE_DECIMAL = new Set(["bhd", "jod", "kwd", "omr", "tnd"]);

const integers = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const separator = new Intl.NumberFormat(locale).formatToParts(1.5).find(({ type }) => type === "decimal").value;

export function formatMoney(amount, currency) {
  const digits = fractionDigits(currency);
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(decimal(BigInt(amount), digits));
}

/** A function that formats balances: in the unit that they have here, or else as money. */
export const balanceFormat = ({ unit, currency }) => (amount) =>
  unit ? `${integers.format(amount)} ${unit}` : formatMoney(amount, currency);

/** How a person types this amount. */
export const typed = (amount, currency) =>
  decimal(BigInt(amount), fractionDigits(currency)).replace(".", separator);

/**
 * The amount that a person typed, as a BigInt; null if it is none. Before the decimals there may be a point or a comma.
 * Three digits after it could be thousands, so there it must be the one of the page's language.
 */
export function readMoney(text, currency) {
  const digits = fractionDigits(currency);
  const [, whole, mark, fraction = ""] = text.trim().match(/^(\d+)(?:([.,])(\d+))?$/) ?? [];
  if (whole === undefined || fraction.length > digits) return null;
  if (fraction.length === 3 && mark !== separator) return null;
  return BigInt(whole + fraction.padEnd(digits, "0"));
}

function fractionDigits(currency) {
  if (ZERO_DECIMAL.has(currency)) return 0;
  return THREE_DECIMAL.has(currency) ? 3 : 2;
}

/** Text, which Intl formats exactly: money never becomes a float. */
function decimal(amount, digits) {
  if (digits === 0) return String(amount);
  const sign = amount < 0n ? "-" : "";
  const all = String(amount < 0n ? -amount : amount).padStart(digits + 1, "0");
  return `${sign}${all.slice(0, -digits)}.${all.slice(-digits)}`;
}
