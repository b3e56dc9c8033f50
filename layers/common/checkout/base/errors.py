"""Everything that can go wrong, by what the caller should do about it.

Foreign exceptions (psycopg2, kafka, stripe, jwt) are mapped to these where they arise.
"""

from collections.abc import Collection

from checkout.base.user_ids import UserId


class CheckoutError(Exception):
    """Base of all errors raised on purpose. The text is safe to show to a caller. Programs go by `code`:
    docs/architecture.md lists the codes, and none changes."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers: dict[str, str] = {}
        self.more: dict[str, object] = {}
        """Further members of the problem document."""


# What the caller sent


class InvalidRequest(CheckoutError):
    """A field is wrong; the detail names it and says what would be right."""

    status = 400
    code = "invalid_request"
    title = "Invalid request"


class InvalidSignature(InvalidRequest):
    """The bytes were not signed by Stripe with a secret of ours, or not within the last five minutes."""

    code = "invalid_signature"
    title = "Invalid signature"


class NotAuthenticated(CheckoutError):
    """No token, or one that is not valid. Says no more than that."""

    status = 401
    code = "not_authenticated"
    title = "Not authenticated"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(CheckoutError):
    """The address that the caller has is not allowed."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class MissingScope(Forbidden):
    """The service is known, and may not do this; the detail names the scope."""

    code = "missing_scope"


class NotFound(CheckoutError):
    """It does not exist, or it is somebody else's."""

    status = 404
    code = "not_found"
    title = "Not found"


class UnknownUser(NotFound):
    """The application's table has no such user."""

    code = "unknown_user"

    def __init__(self, detail: str = "There is no such user.") -> None:
        super().__init__(detail)


class Conflict(CheckoutError):
    """The same request_id stands for something else already."""

    status = 409
    code = "request_id_conflict"
    title = "Conflict"


class RefusedBefore(Conflict):
    """The request was refused once, and that was its answer; a new attempt needs a request_id of its own."""

    code = "refused_before"


class BodyTooLarge(CheckoutError):
    status = 413
    code = "content_too_large"
    title = "Content too large"


class UnsupportedMediaType(CheckoutError):
    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class TooManyRequests(CheckoutError):
    """A limit of the caller's is reached; it ends in `retry_after` seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.headers["Retry-After"] = str(retry_after)


# What an operator asked


class Refused(CheckoutError):
    """It cannot be done as things are; the detail says why, and nothing was changed."""

    status = 409
    code = "refused"
    title = "Refused"


# What is ours to mend


class ConfigurationError(CheckoutError):
    """A setting is missing or unusable; the detail names it, never its value."""

    status = 503
    code = "not_configured"
    title = "Not configured"


class NotYetConfigured(ConfigurationError):
    """A new stack does not have Stripe's values yet. Nothing has failed, and no alarm is due."""

    code = "not_yet_configured"


class InvariantBroken(CheckoutError):
    """A condition that should be impossible. Never caught on purpose."""


# What is away


class Unavailable(CheckoutError):
    """Transient: the same call may succeed later."""

    status = 503
    code = "temporarily_unavailable"
    title = "Temporarily unavailable"


class DatabaseUnavailable(Unavailable):
    """PostgreSQL did not answer, or gave up a lock. Whether a commit under way arrived is unknown."""


class DatabaseContended(DatabaseUnavailable):
    """Another transaction holds what this one needs, or it took too long. Nothing was changed."""


class DataRefused(CheckoutError):
    """PostgreSQL, or what an application made of its tables there, refuses these values for ever."""

    def __init__(self, sqlstate: str, detail: str) -> None:
        super().__init__(detail)
        self.sqlstate = sqlstate


class BalanceNotMoved(DataRefused):
    """Entries were made, and these users' balances did not move by exactly their sum."""

    def __init__(self, user_ids: Collection[UserId]) -> None:
        super().__init__(
            "",
            "the balance did not move by exactly the amount: a trigger or policy on users is in the way",
        )
        self.user_ids = frozenset(user_ids)


class StripeError(CheckoutError):
    """Stripe could not be asked, or refused. Mapped to 502."""

    status = 502
    code = "stripe_unavailable"
    title = "Stripe is not available"


class StripeOutcomeUnknown(StripeError):
    """Sent, but no answer came: Stripe may have done it. Only the same idempotency key is safe."""


class StripeNotReached(StripeError):
    """Stripe certainly did nothing, or did not keep it: the same idempotency key can be used again."""


class StripeKeyInUse(StripeError):
    """Another request with this idempotency key is under way at Stripe."""


class StripeRefused(StripeError):
    """Stripe answered with an error, and will replay that answer to the same idempotency key."""


class StripeRefusedForGood(StripeRefused):
    """Stripe answered 400: it will not take these parameters, whatever the idempotency key."""


class StripeRefusedField(StripeRefusedForGood):
    """Stripe never takes what the caller asked for; the detail names the field."""

    status = 400
    code = InvalidRequest.code
    title = "Invalid request"


class StripeKeyTaken(StripeError):
    """Stripe knows the idempotency key with other parameters, so it stands for a session that is not ours to
    give. A row's key and parameters never change, so the same request gets this answer until Stripe forgets
    the key."""

    status = 409
    code = Conflict.code
    title = "Conflict"


class StripeObjectMissing(StripeError):
    """Stripe knows no such object."""
