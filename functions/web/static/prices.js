/**
 * Which amounts can be paid, and what each of them credits. The server decides the same, and has the last word.
 */

import { say } from "./language.js";
import { formatMoney, readMoney, typed } from "./money.js";

export class Prices {
  #config;
  #listed;

  constructor(config) {
    this.#config = config;
    this.#listed = new Map((config.prices ?? []).map((offer) => [offer.amount_cents, offer]));
  }

  get currency() {
    return this.#config.currency;
  }

  /** True if only the amounts of the price list can be paid. */
  get areAll() {
    return this.#config.prices_only === true;
  }

  /** True if the tax is not in the price. */
  get areBeforeTax() {
    return this.#config.tax_behavior === "exclusive";
  }

  /** `{amount, credit, label}` of each amount that is suggested. */
  get suggested() {
    return this.#config.presets.map((amount) => ({
      amount,
      credit: this.creditFor(amount),
      label: this.#listed.get(amount)?.label ?? "",
    }));
  }

  creditFor(amount) {
    const [credit, cents] = this.#config.credit_per_cent ?? [1, 1];
    return this.#listed.get(amount)?.credit_cents ?? (BigInt(amount) * BigInt(credit)) / BigInt(cents);
  }

  /** True if the answered credit is what the page shows. The answer of a release before prices has none. */
  isCredit(answered, amount) {
    return answered === undefined || Number(answered) === Number(this.creditFor(amount));
  }

  get range() {
    const { min_amount_cents: least, max_amount_cents: most } = this.#config;
    return say("amount_range", { least: this.#money(least), most: this.#money(most) });
  }

  /** `{amount}`, or `{problem}`: a sentence for the user. `hasMore`: what is missing may still be typed. */
  read(text) {
    const { min_amount_cents: least, max_amount_cents: most, amount_step: step } = this.#config;
    const amount = readMoney(text, this.currency);
    if (this.#listed.has(Number(amount))) return { amount: Number(amount) };
    if (this.areAll) return { problem: say("amount_not_chosen"), hasMore: text.trim() === "" };
    if (text.trim() === "") return { problem: say("amount_missing"), hasMore: true };
    if (amount === null) {
      const example = typed(Math.ceil(1234 / step) * step, this.currency);
      return { problem: say("amount_not_number", { example }), hasMore: /^\s*\d+[.,]$/.test(text) };
    }
    if (amount < least) return { problem: say("amount_too_small", { least: this.#money(least) }), hasMore: true };
    if (amount > most) return { problem: say("amount_too_large", { most: this.#money(most) }) };
    if (amount % BigInt(step) !== 0n) {
      return { problem: say("amount_step", { step: this.#money(step) }), hasMore: true };
    }
    return { amount: Number(amount) };
  }

  #money(amount) {
    return formatMoney(amount, this.currency);
  }
}
