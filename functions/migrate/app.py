"""Bring the databases to the schema of this release. Safe to invoke at any time."""

from typing import Any

from checkout import bootstrap
from checkout.telemetry import instrumented


def migrate(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    return {"applied": bootstrap.migrate()()}


handler = instrumented(migrate)
