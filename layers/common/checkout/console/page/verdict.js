// Where a payment is, and what moves it on: read off its story. Pure.

/** [{tone, sentence, view}] of a story with one payment; empty for any other. `view` is where the remedy is. */
export function verdicts(steps) {
  const payments = steps.filter((step) => step.table === "checkout_transactions");
  if (payments.length !== 1) return [];
  const [payment] = payments;
  const unsettled = [
    ...steps.filter((step) => step.table === "parked_events" && !step.resolution).map(ofParked),
    ...steps.filter((step) => step.outcome === "held").map(ofHeld),
    ...steps.filter((step) => step.outcome === "waiting").map(ofWaiting),
    ...steps.filter((step) => step.table === "outbox").map(ofOutbox),
  ];
  const credit = `success:${payment.request_id}`;
  const isEntered = steps.some((step) => step.table === "ledger_entries" && step.effect_key === credit);
  if (isEntered) return [{ tone: "good", sentence: "It is credited." }, ...unsettled];
  if (payment.purpose !== "balance_topup") return unsettled;
  if (payment.status !== "payment_succeeded") return steps.some(reportsPaid) ? unsettled : [ofUnpaid(payment), ...unsettled];
  const discarded = steps.find((step) => step.resolution === "discarded" && step.effect_key === credit && isOf(step, payment));
  if (discarded) return [ofDiscarded(discarded), ...unsettled];
  return unsettled.length ? unsettled : [ON_KAFKA];
}

/** A record of another user or amount under the same key says nothing about this payment. */
const isOf = (step, payment) => step.user_id === payment.user_id && step.amount_cents === (payment.credit_cents ?? payment.paid_cents);

const ON_KAFKA = {
  tone: "wait",
  sentence: "It is paid and published, and not in the ledger: the consumer has not credited it. Does checkout_finished_consumer run? Reconcile emits again what Kafka has lost.",
  view: "queues",
};

const PAID = ["checkout.session.completed", "checkout.session.async_payment_succeeded"];
const reportsPaid = (step) => step.table === "stripe_events" && PAID.includes(step.type) && ["held", "waiting"].includes(step.outcome);

/** Some reasons are sentences. */
const clause = (reason) => String(reason).replace(/\.$/, "");

const ofParked = (step) => ({ tone: "bad", sentence: `Its record is parked: ${clause(step.reason)}. Remove the cause, and replay it.`, view: "queues" });
const ofDiscarded = (step) => ({ tone: "quiet", sentence: `Its credit was discarded: ${clause(step.resolution_reason)}. Nobody credits it unless it is replayed.` });
const ofHeld = (step) => ({ tone: "bad", sentence: `Stripe's event ${step.type} is held: ${clause(step.reason)}. Remove the cause, and replay it.`, view: "queues" });
const ofWaiting = (step) => ({ tone: "wait", sentence: `Stripe's event ${step.type} waits: ${clause(step.reason)}. Reconcile reads from Stripe what it waits for.`, view: "queues" });
const ofOutbox = () => ({ tone: "wait", sentence: "Its message waits for Kafka. Does the broker run? Once it does, the relay publishes the message." });

function ofUnpaid(payment) {
  const ended = { session_expired: "Its session expired before it was paid.", payment_failed: "The payment failed.", session_failed: "Stripe made no session for it." };
  if (ended[payment.status]) return { tone: "quiet", sentence: `${ended[payment.status]} There is nothing to credit.` };
  return {
    tone: "wait",
    sentence: "Stripe has not reported that it is paid. If it is: Stripe repeats its report until it is answered, and Reconcile reads what was missed.",
    view: "queues",
  };
}
