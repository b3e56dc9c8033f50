"""`reread`: apply what Stripe has now."""

from argparse import Namespace
from dataclasses import asdict

from checkout import bootstrap
from checkout.operations.verb import BY_DECISION, Outcome, Verbs, a_text


def declare(verbs: Verbs) -> None:
    verbs.add(
        "reread",
        "apply a refund, a dispute, or all those of a payment intent, as Stripe has them now",
        reread,
        plan,
        BY_DECISION,
    ).add_argument("id", type=a_text, help="re_…, pyr_…, du_…, dp_… or pi_…")


def plan(given: Namespace) -> str:
    return f"Apply {given.id} as Stripe has it now"


def reread(given: Namespace) -> Outcome:
    done = bootstrap.stripe_events().reread(given.id)
    return Outcome({"reread": given.id, **asdict(done)}, clean=done.outcome == "applied")
