"""Content types. Pages of other origins may send JSON only after a preflight request, which is refused."""

from starlette.requests import Request

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def of(request: Request) -> str:
    """The media type in lower case and without parameters, or an empty string."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
