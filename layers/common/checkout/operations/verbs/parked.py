"""`parked …`: records of Kafka that could not be applied. Apply them once their cause is gone, or never.

If the process dies before its commit, nothing was decided; after it, all was: a replay is one transaction
with the entries that it makes.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from checkout.base import telemetry
from checkout.base.errors import DatabaseContended, DataRefused, NotFound, Refused
from checkout.base.postgres import Transaction
from checkout.ledger import entering, parked
from checkout.ledger import table as ledger
from checkout.ledger.belonging import EffectIndex, are_of_one_payment, are_of_one_reversal
from checkout.ledger.entering import Tally
from checkout.ledger.parked import ParkedRecord
from checkout.operations.replays import all_of, answer, in_time, one_or_all
from checkout.operations.verb import BY_DECISION, Outcome, Verbs, paged, reasoned
from checkout.outbox.effects import Effect, are_one
from checkout.outbox.finished_event import TOPIC
from checkout.system import System


def declare(verbs: Verbs) -> None:
    group = verbs.group("parked", "records of Kafka that could not be applied")
    listed = group.add("list", "list those that nobody has decided about, oldest first", list_)
    paged(listed, int)
    listed.add_argument("--all", action="store_true", help="also those that were decided")
    group.add("show", "show one, with its bytes", show).add_argument("id", type=int)
    again = group.add("replay", "apply it now, with what depends on it", replay, plan_replay, BY_DECISION)
    one_or_all(again, int)
    never = group.add("discard", "never apply it, nor what depends on it", discard, plan_discard, BY_DECISION)
    never.add_argument("id", type=int)
    reasoned(never)


def list_(given: Namespace, system: System) -> Outcome:
    records = ParkedRecords(system).page(after_id=given.after or 0, limit=given.limit, resolved=given.all)
    return Outcome({"parked": [_summary(record) for record in records]})


def show(given: Namespace, system: System) -> Outcome:
    record = ParkedRecords(system).record(given.id)
    return Outcome({"parked": asdict(record) | {"key": _text(record.key), "value": _text(record.value)}})


def plan_replay(given: Namespace, system: System) -> str:
    which = all_of(given, "every parked record that can be applied now")
    return "Replay " + (which or _listed(ParkedRecords(system).replayed_with(given.id)))


def replay(given: Namespace, system: System) -> Outcome:
    service = ParkedRecords(system)
    if given.id is not None:
        return Outcome({"replayed": asdict(service.replay(given.id, operator=given.operator))})
    replayed, still_parked, last = [], [], None
    for record in in_time(service.each(after_id=given.after or 0), given.most_seconds):
        last = record.id
        try:
            service.replay(record.id, operator=given.operator)
            replayed.append(record.id)
        except (Refused, DatabaseContended) as refusal:
            # One that went with its credit is no longer there to be replayed.
            if service.record(record.id).resolution is None:
                still_parked.append({"id": record.id, "reason": refusal.detail})
    content = {"replayed": replayed, "still_parked": still_parked}
    return answer(content, not still_parked, last, service.open_after)


def plan_discard(given: Namespace, system: System) -> str:
    return "Never apply " + _listed(ParkedRecords(system).discarded_with(given.id))


def discard(given: Namespace, system: System) -> Outcome:
    records = ParkedRecords(system).discard(given.id, reason=given.reason, operator=given.operator)
    return Outcome({"discarded": [_summary(record) for record in records]})


def _summary(record: ParkedRecord) -> dict[str, Any]:
    return {name: content for name, content in asdict(record).items() if name not in ("key", "value")}


def _listed(records: Sequence[ParkedRecord]) -> str:
    return ", ".join(
        f"{record.id} ({record.effect_key} {record.amount_cents} of user {record.user_id})"
        if record.effect_key is not None
        else f"record {record.id}, which cannot be read"
        for record in records
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")


class ParkedRecords:
    def __init__(self, system: System) -> None:
        self._application = system.application_database
        self._crediting = system.credit_balances
        self._decisions = system.decisions

    def page(self, *, after_id: int = 0, limit: int = 100, resolved: bool = False) -> list[ParkedRecord]:
        """In the order in which they were parked; with `resolved` also those that were."""
        with self._application.transaction() as tx:
            return parked.page(tx, after_id=after_id, limit=limit, resolved=resolved)

    def each(self, *, after_id: int) -> Iterator[ParkedRecord]:
        """Every one that is not resolved, a page at a time."""
        while page := self.page(after_id=after_id):
            yield from page
            after_id = page[-1].id

    def open_after(self, record_id: int) -> int:
        with self._application.transaction() as tx:
            return parked.open_after(tx, record_id)

    def record(self, record_id: int) -> ParkedRecord:
        """Raises NotFound."""
        with self._application.transaction() as tx:
            return _existing(tx, record_id)

    def replayed_with(self, record_id: int) -> list[ParkedRecord]:
        """What a replay of this record takes. Raises NotFound, or Refused if it was replayed."""
        with self._application.transaction() as tx:
            return _together(tx, record_id, _replayable)[0]

    def discarded_with(self, record_id: int) -> list[ParkedRecord]:
        """What discarding this record takes. Raises NotFound, or Refused if it was resolved or is in the
        ledger."""
        with self._application.transaction() as tx:
            return _discarded_together(tx, record_id)

    def replay(self, record_id: int, *, operator: str | None = None) -> Tally:
        """Apply the record as the consumer would now, together with the records that are decided with it.

        A discarded record can be replayed after all. Raises NotFound, or Refused if anything of it still
        cannot be applied; nothing was changed then.
        """
        try:
            with self._application.transaction() as tx:
                records, _ = _together(tx, record_id, _replayable)
                if erased := [record.id for record in records if record.erased_at is not None]:
                    raise Refused(f"The bytes of {erased} were erased, so nobody knows what to apply.")
                if not records[0].topic.endswith(TOPIC):  # KAFKA_TOPIC_PREFIX may be before it.
                    raise Refused(
                        "A record of checkout.requests cannot be replayed, since it moves no balance. Its"
                        " sender must ask again with a new request_id."
                    )
                # First, since what is parked or discarded would not be applied.
                parked.resolve(tx, [record.id for record in records], "replayed", None, operator)
                tally, refused = self._crediting.replay(tx, [record.record for record in records])
                if refused:
                    raise Refused(
                        "It cannot be applied yet: " + "; ".join(one.reason for one in refused) + "."
                    )
                self._decisions.take_back(records)
        except DataRefused as error:
            raise Refused(f"It cannot be applied yet: the database refuses it: {error.detail}.") from error
        _log("parked records replayed", records, None, operator)
        return tally

    def discard(self, record_id: int, *, reason: str, operator: str | None = None) -> Sequence[ParkedRecord]:
        """Decide never to apply the record and those that are decided with it. Returns all of them.

        The same effect is not applied when Kafka delivers it again, and not emitted again. Raises NotFound or
        Refused.
        """
        with self._application.transaction() as tx:
            records = _discarded_together(tx, record_id)
            parked.resolve(tx, [record.id for record in records], "discarded", reason, operator)
            self._decisions.keep(records, reason=reason, operator=operator)
        _log("parked records discarded", records, reason, operator)
        return records


def _existing(tx: Transaction, record_id: int) -> ParkedRecord:
    record = parked.find(tx, record_id)
    if record is None:
        raise NotFound(f"There is no parked record {record_id}.")
    return record


def _replayable(record: ParkedRecord) -> bool:
    return record.resolution != "replayed"


def _discardable(record: ParkedRecord) -> bool:
    return record.resolution is None


def _together(
    tx: Transaction, record_id: int, eligible: Callable[[ParkedRecord], bool]
) -> tuple[list[ParkedRecord], bool]:
    """The record, locked, and what is decided with it; and whether the ledger has what it asks for.

    Decided together are the credit and all reversals of a payment of the user, and once that is credited, all
    movements of one refund or dispute. What is in the ledger is decided alone.
    """
    existing = _existing(tx, record_id)
    if existing.user_id is not None:
        # As the consumer does: no reversal is parked between our reading and our commit.
        ledger.lock_users(tx, {existing.user_id})
    records = parked.lock(tx, record_id)
    chosen = next(record for record in records if record.id == record_id)
    if not eligible(chosen):
        raise Refused(f"The parked record {record_id} was {chosen.resolution} at {chosen.resolved_at}.")
    asked = chosen.effect
    if asked is None:
        return [chosen], False
    effects = [effect for record in records if (effect := record.effect) is not None]
    entered = EffectIndex(entering.related(tx, effects))
    if entered.known(asked) is not None:
        return [chosen], True
    is_credited = any(credit.user_id == asked.user_id for credit in entered.credits_of(asked))
    belongs = are_of_one_reversal if is_credited else are_of_one_payment
    return [
        record
        for record in records
        if record is chosen
        or (
            eligible(record)
            and (effect := record.effect) is not None
            and entered.known(effect) is None
            and _is_no_rival(effect, asked)
            and belongs(effect, asked)
        )
    ], False


def _discarded_together(tx: Transaction, record_id: int) -> list[ParkedRecord]:
    records, is_entered = _together(tx, record_id, _discardable)
    if is_entered:
        raise Refused(
            f"What the parked record {record_id} asks for is in the ledger; replay the record to settle it."
        )
    return records


def _is_no_rival(effect: Effect, asked: Effect) -> bool:
    """False for another user's, and for the same movement with another amount: only one of them is right."""
    return effect.user_id == asked.user_id and (not are_one(effect, asked) or effect.claim == asked.claim)


def _log(what: str, records: Sequence[ParkedRecord], reason: str | None, operator: str | None) -> None:
    ids = [record.id for record in records]
    telemetry.logger.warning(what, extra={"parked_ids": ids, "reason": reason, "operator": operator})
