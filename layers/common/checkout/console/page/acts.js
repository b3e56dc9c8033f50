// The acts on money and users that several views offer.

import { decide } from "./decision.js";
import { element } from "./parts.js";

/** A small button; `key` keeps the focus on it when the view is drawn anew. */
export const act = (text, key, onclick) => element("button", { type: "button", class: "small", "data-key": key, onclick }, text);

const CENTS = { inputmode: "numeric", required: true };

const key = () => ({ option: "key", label: "Key, such as the ticket's number: the same key counts once", required: true, value: `console-${crypto.randomUUID()}` });

export const adjust = (userId, then) =>
  act("Adjust", `adjust ${userId}`, () =>
    decide({
      title: `Adjust the balance of user ${userId}`,
      words: ["adjust", `--user=${userId}`],
      fields: [{ option: "amount-cents", label: "Amount in minor units (cents); negative to take", pattern: "-?[0-9]+", ...CENTS }, key()],
      byOperator: true,
      reason: true,
      then,
    }),
  );

/** Through Stripe: the balance follows. */
export const refund = (payment) =>
  act("Refund", `refund ${payment.payment_intent_id}`, () =>
    decide({
      title: `Refund payment ${payment.request_id}`,
      words: ["refund", payment.payment_intent_id],
      fields: [{ option: "amount-cents", label: "Amount in minor units (cents) of what was paid; empty for all that is left", pattern: "[0-9]+", inputmode: "numeric" }, key()],
      byOperator: true,
      reason: true,
    }),
  );

export const addUser = (userId, then) =>
  act("Add the user", `add ${userId}`, () =>
    decide({
      title: `Add user ${userId}`,
      words: ["add-user", `--user=${userId}`],
      fields: [{ option: "email", label: "Email", type: "email", required: true }],
      byOperator: true,
      announces: "The user gets an empty balance. Where your application makes its users, let it make this one instead.",
      then,
    }),
  );
