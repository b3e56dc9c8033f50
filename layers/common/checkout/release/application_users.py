"""The application's `users`, a table or a view: what of it could lose or double money is refused.

With ids that are not unique one credit would reach two rows; a balance that is NULL stays NULL; one that is
NUMERIC may be in another unit. Each raises ConfigurationError, which names the column and the setting.
"""

import re
from typing import Any, NamedTuple

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserIds

_TABLES, _VIEW = ("r", "p"), "v"
_OF_IDS = {
    "bigint": ("smallint", "integer", "bigint"),
    "uuid": ("uuid",),
    "text": ("text", "character varying"),
}
_OF_BALANCES = ("integer", "bigint")
_CAN_UPDATE = 4
"""The bit of pg_relation_is_updatable, without triggers."""
_INSTEAD_OF_UPDATE = 64 | 16
"""The bits of pg_trigger.tgtype."""
_DEPTH_OF_COLUMNS = 2
"""A view's own columns are two braces deep: `({QUERY … :targetList ({TARGETENTRY …`."""


class _Column(NamedTuple):
    """A column of a table: of `users`, or of the table beneath that view."""

    type: str
    is_not_null: bool
    is_unique: bool
    """False if other tables inherit from it: its index does not cover their rows."""
    is_deterministic: bool


def require_usable(tx: Transaction, *, balance_is_made_not_null: bool) -> bool:
    """Return True if it is a view, which entries cannot refer to. There may be nothing yet.

    `balance_is_made_not_null` if a migration is still to come that does so in a table. Raises
    ConfigurationError.
    """
    tx.execute(
        "SELECT oid::bigint AS oid, relkind::text AS kind, pg_relation_is_updatable(oid, false) AS updatable"
        " FROM pg_class WHERE oid = to_regclass('users')"
    )
    found = tx.fetchone()
    if found is None:
        return False
    is_view: bool = found["kind"] == _VIEW
    if not is_view and found["kind"] not in _TABLES:
        raise _refused("is neither a table nor a view")
    if is_view and not found["updatable"] & _CAN_UPDATE:
        raise _refused(
            "is a view that PostgreSQL cannot update automatically: one table, no aggregate, no DISTINCT"
        )
    _require_id(_column(tx, found["oid"], "id"), tx.user_ids)
    balance = _column(tx, found["oid"], "balance")
    if balance is None:
        if is_view or _has(tx, found["oid"], "balance"):
            raise _refused(
                "must have a column balance that is a plain column of its table: an expression cannot be"
                " updated"
            )
        return is_view
    if balance.type not in _OF_BALANCES:
        raise _refused(f"has a balance of type {balance.type}: it must be INTEGER or BIGINT, in minor units")
    if not balance.is_not_null and (is_view or not balance_is_made_not_null):
        raise _refused("has a balance that may be NULL, to which nothing can be added: make it NOT NULL")
    return is_view


def _require_id(column: _Column | None, user_ids: UserIds) -> None:
    if column is None:
        raise _refused("must have a column id that is a plain column of its table")
    if column.type not in _OF_IDS[user_ids.name]:
        raise _refused(f"has an id of type {column.type}, and USER_ID_TYPE is {user_ids.name}")
    if not column.is_deterministic:
        raise _refused("has an id whose collation is not deterministic: two texts would be one user")
    if not column.is_unique or not column.is_not_null:
        raise _refused("has an id that is not both UNIQUE and NOT NULL: one credit would reach several rows")


def _column(tx: Transaction, relation: int, name: str) -> _Column | None:
    """None if there is none, or it is no plain column of a table. Looks through views: a rule of a view knows
    which column each of its own comes from. There it has its number, and the name that it had at first."""
    place: dict[str, Any] | None = {"relation": relation, "name": name}
    while place is not None:
        tx.execute(
            "SELECT relkind::text AS kind, ev_action::text AS rule, attnum AS number,"
            "   EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid"
            "     AND tgtype & %(instead)s = %(instead)s) AS has_trigger"
            " FROM pg_class LEFT JOIN pg_rewrite ON ev_class = pg_class.oid AND rulename = '_RETURN'"
            " LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = %(name)s AND NOT attisdropped"
            " WHERE pg_class.oid = %(relation)s",
            {**place, "instead": _INSTEAD_OF_UPDATE},
        )
        found = tx.row()
        if found["kind"] in _TABLES:
            return _of_table(tx, **place)
        if found["has_trigger"]:
            raise _refused("is a view with a trigger INSTEAD OF UPDATE, which may move no balance: drop it")
        origin = re.search(
            rf":resno {found['number']} :resname (?:\\.|[^\\ ])+"
            r" :ressortgroupref \d+ :resorigtbl (\d+) :resorigcol (\d+)",
            _own_columns(found["rule"] or ""),
        )
        place = None if origin is None else _origin(tx, *map(int, origin.groups()))
    return None


def _has(tx: Transaction, relation: int, name: str) -> bool:
    tx.execute(
        "SELECT FROM pg_attribute WHERE attrelid = %s AND attname = %s AND NOT attisdropped", (relation, name)
    )
    return tx.fetchone() is not None


def _own_columns(rule: str) -> str:
    """The part of a view's rule about its own columns. The columns of subqueries may have the same names, but
    are in deeper braces."""
    depth, found = 0, []
    for part in re.findall(r"\\.|[{}]|[^\\{}]+", rule, re.DOTALL):
        depth += (part == "{") - (part == "}")
        if depth == _DEPTH_OF_COLUMNS:
            found.append(part)
    return "".join(found)


def _origin(tx: Transaction, relation: int, number: int) -> dict[str, Any] | None:
    tx.execute(
        "SELECT attrelid::bigint AS relation, attname::text AS name FROM pg_attribute"
        " WHERE attrelid = %s AND attnum = %s AND NOT attisdropped",
        (relation, number),
    )
    return tx.fetchone()


def _of_table(tx: Transaction, relation: int, name: str) -> _Column | None:
    tx.execute(
        "SELECT format_type(atttypid, NULL) AS type, attnotnull AS is_not_null,"
        "   COALESCE(collisdeterministic, true) AS is_deterministic,"
        "   EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND indisunique AND indisvalid"
        "     AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND indnkeyatts = 1"
        "     AND indkey[0] = attnum)"
        "   AND NOT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent"
        "     WHERE inhparent = attrelid AND relkind = 'r') AS is_unique"
        " FROM pg_attribute LEFT JOIN pg_collation ON pg_collation.oid = attcollation"
        " WHERE attrelid = %s AND attname = %s AND NOT attisdropped AND attgenerated = ''",
        (relation, name),
    )
    row = tx.fetchone()
    return None if row is None else _Column(**row)


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(f"users of DATABASE_URL {why} (docs/adopting.md).")
