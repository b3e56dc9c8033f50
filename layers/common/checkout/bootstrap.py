"""Wiring of the operations."""

import os
from functools import cache, cached_property
from typing import TYPE_CHECKING

from checkout.base.config import Config
from checkout.base.postgres import Database
from checkout.system import System

if TYPE_CHECKING:
    from checkout.api.accounts import Accounts
    from checkout.operations.journal import Journal
    from checkout.operations.verbs.accept import AcceptFindings
    from checkout.operations.verbs.corrections import Corrections
    from checkout.operations.verbs.erase import Erase
    from checkout.operations.verbs.held import HeldEvents
    from checkout.operations.verbs.inspect import Inspect
    from checkout.operations.verbs.parked import ParkedRecords
    from checkout.operations.verbs.verify import Verify
    from checkout.payments.events import StripeEvents
    from checkout.reconciliation.run import Reconcile


class Operations(System):
    """The system, and what operators do with it."""

    @cached_property
    def parked_records(self) -> "ParkedRecords":
        from checkout.operations.verbs.parked import ParkedRecords

        return ParkedRecords(self.application_database, self.credit_balances, self.decisions)

    @cached_property
    def held_events(self) -> "HeldEvents":
        from checkout.operations.verbs.held import HeldEvents

        return HeldEvents(self.checkout_database, self.stripe_events)

    @cached_property
    def corrections(self) -> "Corrections":
        from checkout.operations.verbs.corrections import Corrections

        return Corrections(self.checkout_database, self.application_database, self.config.currency)

    @cached_property
    def inspect_payment(self) -> "Inspect":
        from checkout.operations.verbs.inspect import Inspect

        return Inspect(self.checkout_database, self.application_database)

    @cached_property
    def journal(self) -> "Journal":
        from checkout.operations.journal import Journal

        return Journal(self.checkout_database, self.application_database)

    @cached_property
    def erase(self) -> "Erase":
        from checkout.operations.verbs.erase import Erase

        return Erase(self.checkout_database, self.application_database)

    @cached_property
    def verify(self) -> "Verify":
        from checkout.operations.verbs.verify import Verify

        return Verify(
            self.checkout_database,
            self.application_database,
            self.config.currency,
            foreign_producers=self.config.foreign_producers,
            livemode=self.config.stripe_livemode,
        )

    @cached_property
    def accept_findings(self) -> "AcceptFindings":
        from checkout.operations.verbs.accept import AcceptFindings

        return AcceptFindings(self.checkout_database)


@cache
def system() -> Operations:
    return Operations(Config(os.environ))


def config() -> Config:
    return system().config


def checkout_database() -> Database:
    return system().checkout_database


def accounts() -> "Accounts":
    return system().accounts


def stripe_events() -> "StripeEvents":
    return system().stripe_events


def reconcile() -> "Reconcile":
    return system().reconcile


def parked_records() -> "ParkedRecords":
    return system().parked_records


def held_events() -> "HeldEvents":
    return system().held_events


def corrections() -> "Corrections":
    return system().corrections


def inspect_payment() -> "Inspect":
    return system().inspect_payment


def journal() -> "Journal":
    return system().journal


def erase() -> "Erase":
    return system().erase


def verify() -> "Verify":
    return system().verify


def accept_findings() -> "AcceptFindings":
    return system().accept_findings
