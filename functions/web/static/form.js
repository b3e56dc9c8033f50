/**
 * The form: the amount is what the field says, and a preset only fills in the field.
 */

import { say } from "./language.js";
import { announce } from "./message.js";
import { formatMoney, typed } from "./money.js";

const form = document.getElementById("top-up");
const presets = document.getElementById("presets");
const field = document.getElementById("amount");
const worth = document.getElementById("amount-worth");
const error = document.getElementById("amount-error");
const button = document.getElementById("continue");

export class TopUpForm {
  #prices;
  #format;
  #isBusy = false;

  /**
   * `format` makes a text of an amount of the balance. `send` gets the amount; no second one is sent until the promise
   * that it returns is settled.
   */
  constructor(prices, format, send) {
    this.#prices = prices;
    this.#format = format;
    presets.replaceChildren(...prices.suggested.map((offer) => this.#preset(offer)));
    document.getElementById("free-amount").hidden = prices.areAll;
    document.getElementById("tax").hidden = !prices.areBeforeTax;
    document.querySelector("label[for=amount]").textContent = say("amount_in", {
      currency: prices.currency.toUpperCase(),
    });
    document.getElementById("amount-hint").textContent = prices.range;
    field.addEventListener("input", () => this.#changed());
    field.addEventListener("change", () => this.#complain(field.value.trim() !== ""));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(send);
    });
    this.#changed();
  }

  get isEmpty() {
    return field.value === "";
  }

  fill(amount) {
    field.value = typed(amount, this.#prices.currency);
    this.#changed();
  }

  /** Call once the user types or chooses an amount. */
  onceChanged(run) {
    form.addEventListener("input", run, { once: true });
  }

  #preset({ amount, credit, label }) {
    const preset = document.getElementById("preset").content.cloneNode(true);
    const radio = preset.querySelector("input");
    radio.value = String(amount);
    radio.addEventListener("change", () => this.fill(amount));
    const price = formatMoney(amount, this.#prices.currency);
    const gets = this.#format(credit);
    preset.querySelector(".credit").textContent = gets;
    preset.querySelector(".worth").textContent = gets === price ? "" : say("offer", { price });
    preset.querySelector(".label").textContent = label;
    return preset;
  }

  #changed() {
    const { amount, hasMore } = this.#read();
    for (const radio of presets.querySelectorAll("input")) {
      radio.checked = Number(radio.value) === amount;
    }
    worth.textContent = amount === undefined ? "" : this.#worth(amount);
    this.#complain(!hasMore);
  }

  /** What the user gets for an amount; the amount itself if it is the same, so that its decimals are seen. */
  #worth(amount) {
    const price = formatMoney(amount, this.#prices.currency);
    const credit = this.#format(this.#prices.creditFor(amount));
    return credit === price ? `= ${price}` : say("amount_credits", { credit });
  }

  async #submit(send) {
    if (this.#isBusy) return;
    const { amount } = this.#read();
    if (amount === undefined) {
      this.#complain(true);
      (this.#prices.areAll ? presets.querySelector("input") : field).focus();
      return;
    }
    this.#setBusy(true);
    try {
      await send(amount);
    } finally {
      this.#setBusy(false);
    }
  }

  #read() {
    return this.#prices.read(field.value);
  }

  #complain(isDue) {
    const problem = (isDue && this.#read().problem) || "";
    error.textContent = problem;
    field.setAttribute("aria-invalid", String(problem !== ""));
  }

  #setBusy(isBusy) {
    this.#isBusy = isBusy;
    // Not `disabled`: a button that was pressed by keyboard would lose the focus.
    button.setAttribute("aria-disabled", String(isBusy));
    button.textContent = say(isBusy ? "opening" : "continue");
    if (isBusy) announce(say("opening"));
  }
}
