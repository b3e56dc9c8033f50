"""What a body says it is. A page elsewhere can send JSON only after asking, and nobody here allows it."""

from starlette.requests import Request

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def of(request: Request) -> str:
    """The media type in lower case, without parameters; empty if none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
