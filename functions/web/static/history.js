/**
 * The history of top-ups, newest first, a page at a time.
 */

import { announce } from "./message.js";
import { formatCoins, formatMoney } from "./money.js";
import { amountOf, isTopUp } from "./payment.js";
import { statusOf } from "./words.js";

const PAGE_SIZE = 10;

const list = document.getElementById("history");
const note = document.getElementById("history-note");
const more = document.getElementById("more");
const times = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class History {
  #api;
  #failed;
  #cursor = null;
  #isLoading = false;
  // Of the list that is shown. Answers for an earlier list are ignored.
  #generation = 0;

  /** `failed` gets each error, and returns true if it has shown it. */
  constructor(api, failed) {
    this.#api = api;
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
    list.replaceChildren(...page.transactions.map(item));
    this.#say(page.transactions.length ? "" : "No top-ups yet. The first one will be listed here.");
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
    const items = page.transactions.map(item);
    list.append(...items);
    this.#say("");
    announce(`${items.length} more shown.`);
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
      if (!this.#failed(error) && isCurrent()) this.#say("The history cannot be loaded right now.");
      return null;
    }
  }

  #say(text) {
    note.textContent = text;
    note.hidden = text === "";
  }
}

function item(transaction) {
  const made = document.getElementById("transaction").content.firstElementChild.cloneNode(true);
  const { tone, label } = statusOf(transaction);
  const status = made.querySelector(".status");
  status.dataset.tone = tone;
  status.textContent = label;
  const amount = amountOf(transaction);
  made.querySelector(".coins").textContent = isTopUp(transaction) ? formatCoins(amount) : "";
  made.querySelector(".worth").textContent = formatMoney(
    amount, transaction.paid_currency ?? transaction.currency,
  );
  const time = made.querySelector("time");
  time.dateTime = transaction.created_at;
  time.textContent = times.format(new Date(transaction.created_at));
  return made;
}
