"""HTTP API events (payload format 2.0) to what a service needs, and back."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from checkout.api.problem import problem_response
from checkout.api.response_headers import PROTECTION
from checkout.base import strict_json
from checkout.base.config import Config
from checkout.base.errors import (
    BodyTooLarge,
    CheckoutError,
    Forbidden,
    InvalidRequest,
    NotYetConfigured,
    StripeError,
    StripeObjectMissing,
    StripeRefusedForGood,
    UnsupportedMediaType,
)
from checkout.base.telemetry import Handler, count, count_of_version, logger

Response = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are in lower case, as API Gateway sends them."""

    route: str
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    domain_name: str
    source_ip: str

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Request":
        body = event.get("body") or ""
        try:
            raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        except (binascii.Error, UnicodeEncodeError) as error:
            raise InvalidRequest("The body could not be read.") from error
        context = event.get("requestContext", {})
        return cls(
            route=event["routeKey"],
            # API Gateway gives them in lower case, `sam local` as they came.
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            path=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            body=raw,
            domain_name=context.get("domainName", ""),
            source_ip=context.get("http", {}).get("sourceIp", ""),
        )

    def json(self, max_bytes: int) -> dict[str, object]:
        """The JSON object in the body. Raises the error that names what is wrong with it."""
        if len(self.body) > max_bytes:
            raise BodyTooLarge(f"The body may have at most {max_bytes} bytes.")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("Send the body without a Content-Encoding.")
        media_type, _, parameters = self.headers.get("content-type", "").lower().partition(";")
        name, _, charset = parameters.partition("=")
        if media_type.strip() != "application/json" or (
            name.strip() == "charset" and charset.strip().strip('"') not in ("utf-8", "utf8", "us-ascii")
        ):
            raise UnsupportedMediaType("Send the body as Content-Type: application/json, in UTF-8.")
        try:
            return strict_json.object_from(self.body)
        except strict_json.NotJson as error:
            raise InvalidRequest(f"The body cannot be read: {error}.") from error

    def origin(self, config: Config) -> str:
        """Where the browser sees us: what is configured, else the API's own domain name."""
        return config.public_origin or f"https://{self.domain_name}"


def require_source(address: str, allowed: Sequence[IPv4Network | IPv6Network]) -> None:
    """Raises Forbidden if the address is in none of these networks; with none of them, never."""
    if allowed and not any(ip_address(address) in network for network in allowed):
        raise Forbidden("Webhooks are taken from Stripe's own addresses only.")


def json_response(status: int, content: Mapping[str, object]) -> Response:
    return {
        "statusCode": status,
        "headers": {**PROTECTION, "content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(content),
    }


def answering(routes: Mapping[str, Callable[[Request], Response]]) -> Handler:
    """A handler that calls the route's function. What that raises becomes a problem; an error that was not
    meant says nothing about us."""

    def handler(event: dict[str, Any], context: object) -> Response:
        try:
            request = Request.of(event)
            return routes[request.route](request)
        except Exception as error:  # noqa: BLE001 - the last place where an error can become an answer
            return _answered(error, context)

    return handler


def _answered(error: Exception, context: object) -> Response:
    request_id = logger.get_current_keys().get("request_id")
    if not isinstance(error, CheckoutError) or type(error).status == 500:
        logger.exception("unexpected error")
        count_of_version("ServerErrors", context)
        return problem_response(CheckoutError("Something went wrong on our side."), request_id)
    log = logger.info
    if isinstance(error, NotYetConfigured):
        log = logger.warning
    elif _is_of_stripe(error):
        log = logger.error
        count("StripeErrors")
    elif error.status >= 500:
        log = logger.error
        count_of_version("ServerErrors", context)
    log("refused", extra={"status": error.status, "code": error.code, "detail": error.detail})
    return problem_response(error, request_id)


def _is_of_stripe(error: CheckoutError) -> bool:
    """True if Stripe failed, and no release did. What it will never take, or does not know, we have sent."""
    ours = StripeRefusedForGood | StripeObjectMissing
    return (
        isinstance(error, StripeError) and error.status == StripeError.status and not isinstance(error, ours)
    )
