/**
 * The history of top-ups, newest first, a page at a time.
 */

import { locale, say } from "./language.js";
import { announce } from "./message.js";
import { formatMoney } from "./money.js";
import { creditOf, isTopUp, priceOf } from "./payment.js";
import { statusOf } from "./words.js";

const PAGE_SIZE = 10;

const list = document.getElementById("history");
const note = document.getElementById("history-note");
const more = document.getElementById("more");
const times = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

export class History {
  #api;
  #format;
  #failed;
  #cursor = null;
  #isLoading = false;
  // Of the list that is shown. Answers for an earlier list are ignored.
  #generation = 0;

  /** `format` makes a text of an amount of the balance. `failed` gets each error; true if it has shown it. */
  constructor(api, format, failed) {
    this.#api = api;
    this.#format = format;
    this.#failed = failed;
    more.addEventListener("click", () => this.#loadMore());
  }

  /** Show the newest page again. */
  async refresh() {
    this.#generation += 1;
    const page = await this.#page(null);
    if (page === null) return;
    // What "Load more" asked for meanwhile continues the list that is replaced here.
    this.#generation += 1;
    list.replaceChildren(...this.#items(page));
    this.#say(page.transactions.length ? "" : say("history_empty"));
  }

  async #loadMore() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    let generation;
    let page;
    do {
      generation = this.#generation;
      page = await this.#page(this.#cursor);
    } while (page === null && generation !== this.#generation && this.#cursor !== null);
    this.#isLoading = false;
    if (page === null) return;
    const items = this.#items(page);
    list.append(...items);
    this.#say("");
    announce(say("history_added", { count: items.length }));
    // The focus was on the button.
    if (more.hidden) items[0]?.focus();
  }

  /** Null if there is nothing to show: the request failed, or the list was replaced meanwhile. */
  async #page(cursor) {
    const generation = this.#generation;
    const isCurrent = () => generation === this.#generation;
    try {
      const page = await this.#api.transactions({ limit: PAGE_SIZE, cursor });
      if (!isCurrent()) return null;
      this.#cursor = page.next_cursor;
      more.hidden = page.next_cursor === null;
      return page;
    } catch (error) {
      if (!this.#failed(error) && isCurrent()) this.#say(say("history_unavailable"));
      return null;
    }
  }

  #items({ transactions }) {
    return transactions.map((transaction) => item(transaction, this.#format));
  }

  #say(text) {
    note.textContent = text;
    note.hidden = text === "";
  }
}

function item(transaction, format) {
  const made = document.getElementById("transaction").content.firstElementChild.cloneNode(true);
  const { tone, label } = statusOf(transaction);
  const status = made.querySelector(".status");
  status.dataset.tone = tone;
  const currency = transaction.paid_currency ?? transaction.currency;
  const back = transaction.refunded_cents + transaction.disputed_cents;
  status.textContent = back > 0 ? say("taken_back", { label, amount: formatMoney(back, currency) }) : label;
  const credit = isTopUp(transaction) ? format(creditOf(transaction)) : "";
  const price = formatMoney(priceOf(transaction), currency);
  made.querySelector(".credit").textContent = credit;
  made.querySelector(".worth").textContent = credit === price ? "" : price;
  const time = made.querySelector("time");
  time.dateTime = transaction.created_at;
  time.textContent = times.format(new Date(transaction.created_at));
  return made;
}
