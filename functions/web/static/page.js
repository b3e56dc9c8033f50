/**
 * The Balance page: the user's account, their return from Stripe, and the next top-up.
 */

import { chosenAccount, showAccount, showBalance } from "./account.js";
import { Api, ApiError } from "./api.js";
import { attemptFor, closeAttempt, hasEnded, openAttempt, sessionOpened } from "./attempt.js";
import { TopUpForm } from "./form.js";
import { History } from "./history.js";
import { say, translate } from "./language.js";
import { MessageBox } from "./message.js";
import { balanceFormat, formatMoney } from "./money.js";
import { creditOf, findRequest, follow, isOpen, isPaid, isTopUp } from "./payment.js";
import { Prices } from "./prices.js";
import { clearReturn, forgetToken, returned, takeToken } from "./visit.js";
import * as words from "./words.js";

// Stripe's page opens sooner. If the user stops it, the button works again.
const LEAVING_MS = 15_000;

const account = document.getElementById("account");
const news = new MessageBox("news");
const problem = new MessageBox("problem");

class Page {
  #api;
  #userId;
  #currency;
  #prices;
  #format;
  #form;
  #history;

  constructor(api) {
    this.#api = api;
  }

  /** `known`: the balance, if it was fetched already. */
  async open(known) {
    await this.#load(known);
    news.clear();
    await this.#arrive();
  }

  async #load(known) {
    const [config, balance] = await Promise.all([this.#api.config(), known ?? this.#api.balance()]);
    this.#userId = balance.user_id;
    this.#currency = config.currency;
    this.#format = balanceFormat(config);
    this.#prices = new Prices(config);
    this.#form = new TopUpForm(this.#prices, this.#format, (amount) => this.#send(amount));
    this.#history = new History(this.#api, this.#format, isSignedOut);
    showAccount(balance.user_id);
    showBalance(balance, this.#format);
    account.hidden = false;
    this.#history.refresh();
  }

  async #arrive() {
    const { outcome, sessionId } = returned();
    if (outcome === "success") {
      await this.#paid(sessionId);
    } else {
      if (outcome === "cancel") clearReturn();
      await this.#resume(outcome === "cancel");
    }
  }

  async #paid(sessionId) {
    const attempt = openAttempt(this.#userId);
    const isOurs = attempt !== null && (sessionId === null || attempt.session_id === sessionId);
    if (isOurs) closeAttempt();
    await this.#follow(isOurs ? attempt.request_id : await findRequest(this.#api, sessionId));
  }

  /** Fill in the amount of an attempt that is still open. One that is over is reported like a return. */
  async #resume(isCancelled) {
    const attempt = openAttempt(this.#userId);
    const payment = attempt && (await this.#lookUp(attempt));
    if (payment && !isOpen(payment)) {
      closeAttempt();
      await this.#follow(attempt.request_id);
      return;
    }
    if (attempt !== null) this.#suggest(attempt.amount_cents);
    const amount = attempt === null ? undefined : formatMoney(attempt.amount_cents, attempt.currency);
    if (isCancelled) news.show(words.cancelled(amount));
    else if (attempt?.session_id) news.show(words.unfinished(amount));
    // The notice names the amount, which is no longer filled in then.
    if (attempt !== null) this.#form.onceChanged(() => news.clear());
  }

  /** The attempt's payment as it is now; null if that cannot be said. */
  async #lookUp(attempt) {
    try {
      return await this.#api.session(attempt.request_id);
    } catch (error) {
      if (error.status === 401) throw error;
      return null;
    }
  }

  async #follow(requestId) {
    let seen = "";
    const settled = await follow(this.#api, requestId, (session, isSlow) => {
      const now = `${session?.status} ${isSlow}`;
      // Only once: a live region that repeats itself is noise.
      if (now === seen) return;
      seen = now;
      news.show(words.progress(session, isSlow));
      this.#history.refresh();
    });
    if (settled === null) {
      news.show(words.NOT_FOUND_IN_HISTORY);
      clearReturn();
      return;
    }
    if (settled.credited) {
      await this.#credited(settled);
    } else {
      if (isTopUp(settled)) this.#suggest(settled.amount_cents);
      const isIdle = document.activeElement === document.body;
      news.show(words.progress(settled), { focus: isIdle });
    }
    // Only now: if the sum failed, "Try again" must still find the payment.
    clearReturn();
    this.#history.refresh();
  }

  /** Fill in an amount, unless the user has typed one meanwhile. */
  #suggest(amount) {
    if (this.#form.isEmpty) this.#form.fill(amount);
  }

  async #credited(payment) {
    const added = creditOf(payment);
    const balance = await this.#api.balance();
    showBalance(balance, this.#format);
    // Computed from the balance, so the sum is right even if something else changed it meanwhile.
    const before = BigInt(balance.balance_cents) - BigInt(added);
    news.show(words.credited(this.#format(added)), {
      rows: [
        [say("before"), this.#format(before)],
        [say("added"), `+ ${this.#format(added)}`],
        [say("title"), `= ${this.#format(balance.balance_cents)}`],
      ],
    });
  }

  async #send(amount) {
    problem.clear();
    try {
      location.assign(await this.#sessionUrl(amount));
      await new Promise((resolve) => setTimeout(resolve, LEAVING_MS));
    } catch (error) {
      if (isSignedOut(error)) return;
      if (error.status === 409) closeAttempt();
      problem.show(words.refusal(error), { focus: true });
    }
  }

  async #sessionUrl(amount) {
    const earlier = openAttempt(this.#userId);
    const attempt = attemptFor(this.#userId, amount, this.#currency);
    const session = await this.#api.createSession(attempt);
    const isAsShown = this.#prices.isCredit(session.credit_cents, amount);
    // A new session is not over: if it seems to be, the clock of this device is wrong.
    if (attempt.request_id === earlier?.request_id && (session.url === null || hasEnded(session) || !isAsShown)) {
      // Paid meanwhile, in another tab: this page, opened again, says so.
      if (session.url === null && isPaid(await this.#lookUp(attempt))) return location.pathname;
      closeAttempt();
      return this.#sessionUrl(amount);
    }
    sessionOpened(attempt, session);
    // The prices have changed since this page was loaded.
    if (!isAsShown) throw new ApiError(400);
    return session.url;
  }
}

function isSignedOut(error) {
  if (error.status !== 401) return false;
  forgetToken();
  account.hidden = true;
  news.show(words.SESSION_EXPIRED, { focus: true });
  return true;
}

/** Who asked for the payment in the application, or returns in another browser, has no token here. */
function showNotSignedIn() {
  const { outcome } = returned();
  news.show(words.notSignedIn(outcome), { focus: outcome !== null });
}

async function open() {
  news.show(words.LOADING);
  try {
    const { token, balance } = await chosenAccount();
    if (token === null) showNotSignedIn();
    else await new Page(new Api(token)).open(balance);
  } catch (error) {
    if (isSignedOut(error)) return;
    const reload = { label: say("try_again"), run: () => location.reload() };
    news.show(words.unavailable(error), { action: reload, focus: true });
  }
}

// Not a reload, which would ask for the page again.
const reopen = () => location.replace(location.pathname + location.search);

// Going back from Stripe can restore the page as it was when it was left, with its button still busy.
addEventListener("pageshow", (event) => {
  if (event.persisted) reopen();
});
addEventListener("hashchange", () => {
  if (takeToken()) reopen();
});

translate();
takeToken();
open();
