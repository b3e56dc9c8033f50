"""An error as an RFC 9457 problem. Light, since the Balance page has it, too."""

import json
from typing import Any

from checkout.api.response_headers import PROTECTION
from checkout.base.errors import CheckoutError


def problem_response(error: CheckoutError, request_id: str | None = None) -> dict[str, Any]:
    """https://www.rfc-editor.org/rfc/rfc9457"""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.more,
    }
    if request_id is not None:
        problem["request_id"] = request_id
    return {
        "statusCode": error.status,
        "headers": {
            **PROTECTION,
            "content-type": "application/problem+json",
            "cache-control": "no-store",
            **error.headers,
        },
        "body": json.dumps(problem),
    }
