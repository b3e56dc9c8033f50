"""What each verb does. Each takes the parsed arguments; what it returns can be written as JSON."""

import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from checkout import bootstrap
from checkout.base.errors import InvalidRequest, Refused, StripeError, Unavailable
from checkout.ledger.parked import ParkedRecord
from checkout.operations import text
from checkout.operations.held_table import HeldEvent

if TYPE_CHECKING:
    from checkout.reconciliation.lost_entries_position import Progress

RECONCILE_SECONDS = 200
"""Then it ends, and the next run goes on: a function is not left more than 300."""

VERIFY_SECONDS = 200
"""The same of `verify`, unless another time is given."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`clean` is False where the verb did its work and something is left for a person."""

    content: dict[str, Any]
    clean: bool = True


def inspect(given: Namespace) -> Outcome:
    return Outcome(asdict(bootstrap.inspect_payment()(given.reference)))


def verify(given: Namespace) -> Outcome:
    found = bootstrap.verify()(
        deadline=time.monotonic() + given.seconds,
        anew=given.anew,
        progress=given.say,
    )
    return Outcome(
        {"findings": [asdict(finding) for finding in found], "complete": found.complete},
        clean=found.is_clean and found.complete,
    )


def accept(given: Namespace) -> Outcome:
    service = bootstrap.accept_findings()
    if given.withdraw:
        return Outcome({"counts_again": service.withdraw(given.finding)})
    return Outcome({"accepted": service.accept(given.finding, reason=given.reason, operator=given.operator)})


def plan_accept(given: Namespace) -> str:
    found = bootstrap.accept_findings().shown(given.finding)
    facts = ", ".join(f"{name} {value}" for name, value in found["facts"].items())
    return f"{'Count' if given.withdraw else 'No longer count'} as {found['name']}: {facts}"


def reconcile(given: Namespace) -> Outcome:
    if given.since is not None and given.since > time.time():
        raise InvalidRequest("--since is in the future; without an offset the time is UTC.")
    if given.wait and given.since is None:
        raise InvalidRequest("--wait goes with --since.")
    seconds = given.most_seconds if given.wait else RECONCILE_SECONDS
    found = bootstrap.reconcile()(
        deadline=time.monotonic() + seconds,
        dry_run=given.dry_run,
        since=given.since,
        wait=given.wait,
        report=_every_second(given.say),
    )
    if found.nothing_was_done:
        raise Unavailable("; ".join(sorted({setback.reason for setback in found.failed})))
    return Outcome(found.as_dict(), clean=found.is_whole)


def _every_second(say: Callable[[str], None]) -> Callable[["Progress"], None]:
    said = -1.0

    def report(progress: "Progress") -> None:
        nonlocal said
        if time.monotonic() - said >= 1:
            said = time.monotonic()
            say(text.for_people({"progress": asdict(progress)}))

    return report


def look_again(given: Namespace) -> Outcome:
    bootstrap.corrections().look_again(given.request_id)
    return Outcome({"request_id": given.request_id, "next": "the reconciler looks for it in the ledger"})


def erase(given: Namespace) -> Outcome:
    erased = bootstrap.erase().older_than(_days(given), deadline=time.monotonic() + RECONCILE_SECONDS)
    return Outcome(asdict(erased), clean=erased.complete)


def plan_erase(given: Namespace) -> str:
    return f"Erase personal data in what was settled more than {_days(given)} days ago, for good"


def erase_user(given: Namespace) -> Outcome:
    erased = bootstrap.erase().user(given.user, reason=given.reason, operator=given.operator)
    return Outcome(asdict(erased), clean=not (erased.unsettled_events or erased.open_parked))


def plan_erase_user(given: Namespace) -> str:
    return f"Erase personal data in what is settled of user {given.user}'s payments, for good"


def _days(given: Namespace) -> int:
    return int(given.older_than or bootstrap.config().retention_days)


def journal(given: Namespace) -> Outcome:
    since = None if given.since is None else datetime.fromtimestamp(given.since, UTC)
    acts = bootstrap.journal().newest(operator=given.by, verb=given.of, since=since, limit=given.limit)
    return Outcome({"acts": acts})


# Parked records of Kafka


def parked_list(given: Namespace) -> Outcome:
    records = bootstrap.parked_records().page(
        after_id=given.after or 0, limit=given.limit, resolved=given.all
    )
    return Outcome({"parked": [_summary(record) for record in records]})


def parked_show(given: Namespace) -> Outcome:
    record = bootstrap.parked_records().record(given.id)
    texts = {name: _text(content) for name, content in (("key", record.key), ("value", record.value))}
    return Outcome({"parked": asdict(record) | texts})


def parked_replay(given: Namespace) -> Outcome:
    service = bootstrap.parked_records()
    if given.id is not None:
        return Outcome({"replayed": asdict(service.replay(given.id, operator=given.operator))})
    replayed, still_parked = [], []
    for record in service.each():
        try:
            service.replay(record.id, operator=given.operator)
            replayed.append(record.id)
        except Refused as refusal:
            # One that went with its credit is no longer there to be replayed.
            if service.record(record.id).resolution is None:
                still_parked.append({"id": record.id, "reason": refusal.detail})
    return Outcome({"replayed": replayed, "still_parked": still_parked}, clean=not still_parked)


def parked_discard(given: Namespace) -> Outcome:
    records = bootstrap.parked_records().discard(given.id, reason=given.reason, operator=given.operator)
    return Outcome({"discarded": [_summary(record) for record in records]})


def plan_parked_replay(given: Namespace) -> str:
    if given.id is None:
        return "Replay every parked record that can be applied now"
    return "Replay " + _listed(bootstrap.parked_records().replayed_with(given.id))


def plan_parked_discard(given: Namespace) -> str:
    return "Never apply " + _listed(bootstrap.parked_records().discarded_with(given.id))


# Held events of Stripe


def held_list(given: Namespace) -> Outcome:
    events = bootstrap.held_events().page(after=given.after or "", limit=given.limit, waiting=given.waiting)
    return Outcome({"held": [asdict(event) for event in events]})


def held_show(given: Namespace) -> Outcome:
    event, payload = bootstrap.held_events().event(given.id)
    return Outcome({"held": asdict(event) | {"payload": payload}})


def held_replay(given: Namespace) -> Outcome:
    service = bootstrap.held_events()
    if given.id is not None:
        event = service.replay(given.id)
        return Outcome({"replayed": [asdict(event)]}, clean=_is_settled(event))
    replayed, still_held = [], []
    for held in list(service.each()):
        try:
            replayed.append(service.replay(held.event_id))
        except (Refused, StripeError) as error:
            # One that was applied meanwhile is refused, and is not held.
            if not _is_settled(service.event(held.event_id)[0]):
                still_held.append({"event_id": held.event_id, "reason": error.detail})
    return Outcome(
        {"replayed": [asdict(event) for event in replayed], "still_held": still_held},
        clean=not still_held and all(_is_settled(event) for event in replayed),
    )


def _is_settled(event: HeldEvent) -> bool:
    return event.outcome not in ("held", "waiting")


def held_discard(given: Namespace) -> Outcome:
    decided = bootstrap.held_events().discard(given.id, reason=given.reason, operator=given.operator)
    # After a restore of the checkout database the journal alone has these: see services.decisions.
    return Outcome(
        {
            "discarded": given.id,
            "payment_intent_id": decided.payment_intent_id,
            "objects": [*decided.objects],
            "events": [*decided.events],
        }
    )


def plan_held_replay(given: Namespace) -> str:
    return f"Apply {'every held event' if given.id is None else given.id} as if Stripe had sent it now"


def plan_held_discard(given: Namespace) -> str:
    event, _ = bootstrap.held_events().event(given.id)
    decided = bootstrap.held_events().discarded_with(given.id)
    plan = f"Never apply {event.event_id} ({event.type}; {event.outcome}: {event.reason})"
    if decided.objects:
        plan += f", nor anything else of {', '.join(decided.objects)}"
    if decided.events:
        plan += f", which {', '.join(decided.events)} also tell of"
    return plan


def reread(given: Namespace) -> Outcome:
    done = bootstrap.stripe_events().reread(given.id)
    return Outcome({"reread": given.id, **asdict(done)}, clean=done.outcome == "applied")


def plan_reread(given: Namespace) -> str:
    return f"Apply {given.id} as Stripe has it now"


# Balances


def adjust(given: Namespace) -> Outcome:
    limit = bootstrap.config().adjust_limit_cents
    if limit is not None and abs(given.amount_cents) > limit:
        raise Refused(f"One adjustment may be at most {limit} (ADJUST_LIMIT_CENTS).")
    moved = bootstrap.corrections().adjust(
        key=given.key,
        user_id=given.user,
        amount_cents=given.amount_cents,
        reason=given.reason,
        operator=given.operator,
        allow_overdraft=given.allow_overdraft,
    )
    balance = bootstrap.accounts().balance(given.user)
    return Outcome({"adjusted": moved, "effect_key": f"adjust:{given.key}", **balance})


def plan_adjust(given: Namespace) -> str:
    balance = bootstrap.accounts().balance(given.user)
    return (
        f"Add {given.amount_cents} to the balance of user {given.user}, now {balance['balance_cents']}"
        f" {balance['currency']}, once, as adjust:{given.key}"
    )


def add_user(given: Namespace) -> Outcome:
    added = bootstrap.corrections().add_user(given.user, email=given.email)
    return Outcome({"added": added, **bootstrap.accounts().balance(given.user)})


def opening_balances(given: Namespace) -> Outcome:
    corrections = bootstrap.corrections()
    opened = corrections.open_balances() if given.user is None else corrections.open_balance(given.user)
    return Outcome({"opened": opened})


def plan_opening_balances(given: Namespace) -> str:
    if given.user is None:
        return "Write a first ledger entry for every balance that has none; no balance changes"
    cents, _ = bootstrap.corrections().unexplained(given.user)
    return (
        f"Enter {cents} as what user {given.user} had before the ledger; the balance stays as it is,"
        " unless it was opened before"
    )


def rebuild_balance(given: Namespace) -> Outcome:
    before, after = bootstrap.corrections().rebuild_balance(
        given.user, reason=given.reason, operator=given.operator
    )
    return Outcome({"user_id": given.user, "before_cents": before, "after_cents": after})


def plan_rebuild_balance(given: Namespace) -> str:
    balance = bootstrap.accounts().balance(given.user)["balance_cents"]
    cents, may_be_older = bootstrap.corrections().unexplained(given.user)
    plan = f"Set the balance of user {given.user}, now {balance}, to the sum of the ledger entries"
    if cents and may_be_older:
        plan += f" (if {cents} are from before the ledger, opening-balances --user {given.user} keeps them)"
    return plan


Verb = Callable[[Namespace], Outcome]
Plan = Callable[[Namespace], str]


def _summary(record: ParkedRecord) -> dict[str, Any]:
    return {name: content for name, content in asdict(record).items() if name not in ("key", "value")}


def _listed(records: Sequence[ParkedRecord]) -> str:
    return ", ".join(
        f"{record.id} ({record.effect_key or 'unreadable'} {record.amount_cents} of user {record.user_id})"
        for record in records
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")
