"""Users who ask for sessions, and what their answers must be."""

from collections.abc import Mapping, Sequence
from typing import Any

from checkout.base.errors import (
    Conflict,
    InvalidRequest,
    RefusedBefore,
    StripeKeyTaken,
    TooManyRequests,
    UnknownUser,
)
from simulation.broken import Broken
from simulation.own import own
from simulation.wanted import Request
from simulation.world import World

FINAL_ANSWERS = Conflict | InvalidRequest | RefusedBefore | TooManyRequests | UnknownUser
"""Reasons for which a request gets no session though nothing fails."""
TIMES_ASKED_AGAIN = 3
"""For a key that is used up, and one that is too old."""

_USAGE = """
    SELECT count(*) FILTER (WHERE request_id = %s) AS known,
        count(*) FILTER (WHERE status IN ('session_pending', 'session_created')
            AND created_at > now() - interval '1 hour') AS open,
        count(*) FILTER (WHERE is_of_today) AS today,
        coalesce(sum(CASE WHEN paid_cents > 0 THEN paid_cents ELSE amount_cents END)
            FILTER (WHERE is_of_today), 0)::bigint AS cents
    FROM (SELECT *, status NOT IN ('session_failed', 'session_expired', 'payment_failed')
            AND created_at >= date_trunc('day', now(), 'UTC') AS is_of_today
        FROM checkout_transactions WHERE user_id = %s OR request_id = %s) AS begun
"""


def ask_for(world: World, request: Request) -> Any:
    """Returns the id of the session, the CheckoutError, or Died."""
    wanted = request.user_id, request.amount, None, request.request_id
    usage = usage_of(world, request) if world.is_alone else None
    interruptions = world.interruptions

    def create(system: Any) -> Any:
        request_class = own(system, "sessions.session_request").SessionRequest
        payment, _ = system.create_session(request_class(*wanted), world.settings["PUBLIC_ORIGIN"])
        return payment.stripe_session_id

    found = world.run(f"user {request.user_id} asks for {request.amount} ({request.request_id[:8]})", create)
    if isinstance(found, str):
        _require_own(world, request, found)
    if usage is not None and world.interruptions == interruptions:
        _require_limits(world, request, usage, found)
    if isinstance(found, str) and found not in request.sessions:
        request.sessions.append(found)
    return found


def ask_all_again(world: World) -> None:
    """Nothing fails any more: whoever may have a session gets one."""
    for request in world.requests:
        # What a restore has taken away are also the keys that are used up: each is tried once more.
        forgotten = world.stripe.keys.used_up_of(request.request_id) if world.restores else 0
        for _ in range(TIMES_ASKED_AGAIN + forgotten):
            found = ask_for(world, request)
            if isinstance(found, str | FINAL_ANSWERS):
                break
            if isinstance(found, StripeKeyTaken) and world.restores:
                break
        else:
            raise Broken("who asks again gets the session", f"{request.request_id}: {found!r}")


def _require_own(world: World, request: Request, session_id: str) -> None:
    session = world.account.states[session_id][0]
    whose = (session["metadata"]["request_id"], session["metadata"]["user_id"])
    if whose != (request.request_id, str(request.user_id)):
        raise Broken("who asks gets his own session", f"{request.request_id}: that of {whose}")
    if request.sessions and session_id not in request.sessions and not world.restores:
        raise Broken("a request has one session", f"{request.request_id}: {session_id} too")
    if session["success_url"] and not world.swarm.terms.sells(session["amount_subtotal"]):
        raise Broken("nothing else is sold", f"{session['amount_subtotal']}")


def require_limits_at_once(
    world: World, requests: Sequence[Request], before: Mapping[str, Any] | None
) -> None:
    """Of new requests of one user, which were asked for at once, as many may be begun as one by one."""
    known = [request for request in requests if usage_of(world, request) is None]
    begun = [request for request in known if not _has_failed(world, request)]
    if before is not None and begun and (reached := _reached(world, before, begun)):
        raise Broken("no limit is overtaken at once", f"{reached}")


def _has_failed(world: World, request: Request) -> bool:
    """Stripe made no session. It counts no more, and not again when it is repeated."""
    failed = "SELECT id FROM checkout_transactions WHERE request_id = %s AND status = 'session_failed'"
    return bool(world.checkout.rows(failed, [request.request_id]))


def _reached(world: World, usage: Mapping[str, Any], requests: Sequence[Request]) -> list[str]:
    """The limits that these go beyond, after what there was."""
    terms = world.swarm.terms
    return [
        f"{begun} of {most}"
        for most, begun in (
            (terms.most_open, usage["open"] + len(requests)),
            (terms.most_a_day, usage["today"] + len(requests)),
            (terms.most_cents_a_day, usage["cents"] + sum(one.amount for one in requests)),
        )
        if most is not None and begun > most
    ]


def usage_of(world: World, request: Request) -> Mapping[str, Any] | None:
    """What the user has begun to pay; None if nobody counts it, or a row that is known is asked for."""
    if not world.swarm.terms.is_limited:
        return None
    given = [request.request_id, request.user_id, request.request_id]
    [usage] = world.checkout.as_application(_USAGE, given)
    return None if usage["known"] else usage


def _require_limits(world: World, request: Request, usage: Mapping[str, Any], found: object) -> None:
    reached = _reached(world, usage, [request])
    if isinstance(found, TooManyRequests) and not reached:
        raise Broken("nobody is refused within the limits", f"{request.request_id}: {dict(usage)}")
    if reached and usage_of(world, request) is None:
        raise Broken("no limit is overtaken", f"{request.request_id}: {reached}")
