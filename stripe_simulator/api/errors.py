"""Stripe's error answers (https://docs.stripe.com/api/errors)."""

from stripe_simulator.storage.transaction import Json


class StripeError(Exception):
    """An answer other than 200. `param` names the parameter at fault in bracket notation."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param

    def body(self, request_id: str) -> Json:
        error: Json = {"message": self.message, "type": self.type}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


class InvalidParameter(StripeError):
    """The parameters are not valid: nothing was executed, and no idempotency key is used up."""


class NotFound(StripeError):
    status = 404

    def __init__(self, kind: str, object_id: str, param: str = "id") -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class Unauthorized(StripeError):
    status = 401


class Forbidden(StripeError):
    status = 403


class UnknownRoute(StripeError):
    status = 404

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs")


class KeyReused(StripeError):
    """The idempotency key belongs to another request."""

    type = "idempotency_error"


class KeyInUse(StripeError):
    """The first request with this idempotency key has not been answered yet."""

    status = 409

    def __init__(self, key: str) -> None:
        super().__init__(
            "There is currently another in-progress request using this Idempotent Key "
            "(that probably means you submitted twice, and the other request is still going through): "
            f"{key}. Please try again later.",
            code="idempotency_key_in_use",
        )


class Injected(StripeError):
    """The answer that a fault causes: 403 as to a restricted key that lacks the right."""

    def __init__(self, status: int) -> None:
        super().__init__(
            "The provided key does not have the required permissions for this endpoint."
            if status == Forbidden.status
            else "Something went wrong on the simulator's end, as it was told to."
        )
        self.status = status
        self.type = "api_error" if status >= 500 else "invalid_request_error"
        self.code = "rate_limit" if status == 429 else None


class Crashed(StripeError):
    status = 500
    type = "api_error"

    def __init__(self) -> None:
        super().__init__("The simulator failed; its log has the traceback.")
