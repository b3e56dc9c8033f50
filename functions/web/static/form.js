/**
 * The form: the amount is what the field says, and a preset only fills in the field.
 */

import { announce } from "./message.js";
import { coinUnit, formatCoins, formatMoney, formatNumber, readCoins } from "./money.js";

const LABEL = "Continue to Stripe";
const BUSY_LABEL = "Opening Stripe…";

const form = document.getElementById("top-up");
const field = document.getElementById("amount");
const worth = document.getElementById("amount-money");
const error = document.getElementById("amount-error");
const button = document.getElementById("continue");

export class TopUpForm {
  #currency;
  #limits;
  #isBusy = false;

  /** `send` gets the amount; no second one is sent until the promise that it returns is settled. */
  constructor(config, send) {
    const { currency, min_amount_cents: smallest, max_amount_cents: largest, amount_step: step, presets } = config;
    this.#currency = currency;
    this.#limits = { smallest, largest, step };
    document.getElementById("presets").replaceChildren(...presets.map((preset) => this.#preset(preset)));
    document.getElementById("amount-hint").textContent =
      `From ${formatNumber(smallest)} to ${formatCoins(largest)}.`;
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
    field.value = String(amount);
    this.#changed();
  }

  #preset(amount) {
    const preset = document.getElementById("preset").content.cloneNode(true);
    const radio = preset.querySelector("input");
    radio.value = String(amount);
    radio.addEventListener("change", () => this.fill(amount));
    preset.querySelector(".coins").textContent = formatNumber(amount);
    preset.querySelector(".unit").textContent = coinUnit(amount);
    preset.querySelector(".worth").textContent = formatMoney(amount, this.#currency);
    return preset;
  }

  #changed() {
    const { amount, hasMore } = this.#read();
    for (const radio of form.querySelectorAll("[name=preset]")) {
      radio.checked = Number(radio.value) === amount;
    }
    worth.textContent =
      amount === undefined ? coinUnit(0) : `${coinUnit(amount)} = ${formatMoney(amount, this.#currency)}`;
    this.#complain(!hasMore);
  }

  async #submit(send) {
    if (this.#isBusy) return;
    const { amount } = this.#read();
    if (amount === undefined) {
      this.#complain(true);
      field.focus();
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
    return readCoins(field.value, this.#limits);
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
    button.textContent = isBusy ? BUSY_LABEL : LABEL;
    if (isBusy) announce(BUSY_LABEL);
  }
}
