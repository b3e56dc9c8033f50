/**
 * Amounts are integers (numbers or BigInts) in the minor unit that Stripe uses; one coin is one minor unit.
 */

// Stripe's lists, not those of Intl: Stripe counts ISK and UGX in hundredths, although neither has any.
const ZERO_DECIMAL = new Set([
  "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
]);
const THREE_DECIMAL = new Set(["bhd", "jod", "kwd", "omr", "tnd"]);

const integers = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

export const formatNumber = (amount) => integers.format(amount);

export const coinUnit = (amount) => (BigInt(amount) === 1n ? "coin" : "coins");

export const formatCoins = (amount) => `${formatNumber(amount)} ${coinUnit(amount)}`;

export function formatMoney(amount, currency) {
  const digits = fractionDigits(currency);
  return new Intl.NumberFormat(undefined, {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(decimal(BigInt(amount), digits));
}

/** `{amount}`, or `{problem}`: a sentence for the user. `hasMore`: what is missing may still be typed. */
export function readCoins(text, { smallest, largest, step }) {
  const digits = text.trim();
  if (digits === "") return { problem: "Enter how many coins you want.", hasMore: true };
  if (!/^\d+$/.test(digits)) return { problem: "Enter a whole number of coins, in digits only." };
  const amount = BigInt(digits);
  if (amount < smallest) {
    return { problem: `The smallest top-up is ${formatCoins(smallest)}.`, hasMore: true };
  }
  if (amount > largest) return { problem: `The largest top-up is ${formatCoins(largest)}.` };
  if (amount % BigInt(step) !== 0n) {
    return { problem: `Enter a multiple of ${formatCoins(step)}.`, hasMore: true };
  }
  return { amount: Number(amount) };
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
