"""The findings of `verify`, for people."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from checkout.operations.text import columns, lines


class Words(NamedTuple):
    """What holds if there is nothing; what one is, what several are; and what to do. An offence must never
    occur."""

    holds: str
    one: str
    several: str
    remedy: str
    is_offence: bool = True


WORDS = {
    "EffectTwiceInLedger": Words(
        "every effect is in the ledger once",
        "effect is in the ledger twice",
        "effects are in the ledger twice",
        "the constraint on ledger_entries.effect_key is gone: take the second entry out, restore it",
    ),
    "RecordsParked": Words(
        "no parked record waits for a decision",
        "parked record waits for a decision",
        "parked records wait for a decision",
        "parked show, then parked replay or parked discard",
        is_offence=False,
    ),
    "OutboxStuck": Words(
        "no message has waited for Kafka for more than 15 minutes",
        "message has waited for Kafka for more than 15 minutes",
        "messages have waited for Kafka for more than 15 minutes",
        "is Kafka away? The log of outbox_relay has the reason",
        is_offence=False,
    ),
    "EventsHeld": Words(
        "no event of Stripe's is held for a decision",
        "event of Stripe's is held for a decision",
        "events of Stripe's are held for a decision",
        "held show, then held replay or held discard",
        is_offence=False,
    ),
    "EventsWaiting": Words(
        "no event of Stripe's waits for another one",
        "event of Stripe's waits for another one",
        "events of Stripe's wait for another one",
        "nothing: the reconciler retries them",
        is_offence=False,
    ),
    "EventsStuck": Words(
        "no event of Stripe's has waited for more than two hours",
        "event of Stripe's has waited for more than two hours",
        "events of Stripe's have waited for more than two hours",
        "held list --waiting has the reasons",
        is_offence=False,
    ),
    "BalanceDiffersFromLedger": Words(
        "every balance is the sum of its entries",
        "balance is not the sum of its entries",
        "balances are not the sum of their entries",
        "rebuild-balance; opening-balances --user if the rest is from before the ledger",
    ),
    "EntryInAnotherCurrency": Words(
        "every entry is in the currency of the balances",
        "entry is in another currency than the balances",
        "entries are in another currency than the balances",
        "adjust what it added, then accept it",
    ),
    "PaymentNotInLedger": Words(
        "every payment and every reversal is in the ledger",
        "payment or reversal is not in the ledger",
        "payments or reversals are not in the ledger",
        "inspect, then reconcile; look-again before it if an entry was deleted",
    ),
    "EntryDiffersFromPayment": Words(
        "every entry agrees with its payment or reversal, and what was taken back is its share of the credit",
        "entry differs from its payment or reversal, or what was taken back is not its share of the credit",
        "entries differ from their payments or reversals, or are not their share of the credit",
        "inspect, adjust the difference, then accept it",
    ),
    "CreditWithoutTransaction": Words(
        "every entry is of a payment that we know",
        "entry is of no payment that we know",
        "entries are of no payment that we know",
        "reconcile --since if the payment was lost; else adjust it away, then accept it",
    ),
    "DiscardedButPaid": Words(
        "no money moved at Stripe for what was discarded",
        "payment has discarded movements for which Stripe moved money",
        "payments have discarded movements for which Stripe moved money",
        "refund the payment at Stripe, or replay what was discarded, or accept it. If the sum is 0, Stripe"
        " has moved money since it was accepted: undo what was adjusted, and accept it again",
    ),
    "ReversedMoreThanPaid": Words(
        "no payment was reversed by more than was paid",
        "payment was reversed by more than was paid, or has changed since that was accepted",
        "payments were reversed by more than was paid, or have changed since that was accepted",
        "contest the dispute; or adjust, or bear it, and accept it. If it has changed, undo what was"
        " adjusted, and accept it again",
        is_offence=False,
    ),
    "TotalsDifferFromStripe": Words(
        "every payment agrees with Stripe's own books",
        "payment, refund or dispute differs from Stripe's own books",
        "payments, refunds or disputes differ from Stripe's own books",
        "inspect, then reconcile --since that day if only Stripe has it; else adjust, then accept it",
    ),
    "UnknownMovementAtStripe": Words(
        "every movement at Stripe is of a category that we know",
        "movement at Stripe is of a category that we do not know",
        "movements at Stripe are of categories that we do not know",
        "see it at Stripe, adjust what of it is the user's, then accept it",
    ),
}


def of_all(content: dict[str, Any]) -> Iterator[str]:
    """`content` as `verify` returns it, or as JSON has it."""
    for finding in content["findings"]:
        yield from _of_one(finding, "ok     " if content["complete"] else "so far ")
    yield from lines({name: value for name, value in content.items() if name != "findings"})


def said(name: str, count: int) -> dict[str, str]:
    """The finding in a sentence, and what to do about it."""
    words = WORDS[name]
    number = f"{count} {words.one if count == 1 else words.several}"
    return {"sentence": number if count else words.holds, "remedy": words.remedy}


def _of_one(finding: dict[str, Any], good: str) -> Iterator[str]:
    # A function of another release may have checks that are not known here.
    name, count = finding["name"], finding["count"]
    words = WORDS.get(name) or Words(f"{name}: 0", "finding", "findings", "see docs/operations.md")
    accepted = f" ({finding['accepted']} accepted)" if finding["accepted"] else ""
    if count == 0:
        yield f"{good}  {words.holds}{accepted}"
        return
    sign = "BROKEN " if finding["is_offence"] else "to know"
    yield f"{sign}  {name}: {count} {words.one if count == 1 else words.several}{accepted}"
    yield from ("           " + columns(sample) for sample in finding["samples"])
    if count > len(finding["samples"]):
        yield f"           and {count - len(finding['samples'])} more"
    yield f"         to do: {words.remedy}"
