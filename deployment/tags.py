"""A stack's tags, which CloudFormation gives to its nested stacks and to every resource that takes tags."""

import re
import shlex
from collections.abc import Mapping, Sequence

Tags = Mapping[str, str]

_ONE = re.compile(r"(?P<key>[\w +\-.:/@]{1,128})=(?P<value>[\w +\-.:/@=]{0,256})")


class NotTags(ValueError):
    """What should be tags is none; the message says which part."""


def parsed(text: str | Sequence[str]) -> Tags:
    """`Team=pay "Owner=Jo Ito"`, or a list of such pairs. Raises NotTags."""
    found = {}
    for pair in shlex.split(text) if isinstance(text, str) else text:
        match = _ONE.fullmatch(pair)
        if match is None or match["key"].lower().startswith("aws:"):
            raise NotTags(
                f"a tag is Key=value, of letters, digits, blanks and + - . : / @ _, and not {pair!r}"
            )
        found[match["key"]] = match["value"]
    return found


def chosen(given: str | None, configured: str | Sequence[str], kept: Tags) -> Tags:
    """The given ones, else those of samconfig.toml, else the stack's own. Raises NotTags.

    sam sends an empty list if it is given none, and CloudFormation would then remove the stack's.
    """
    return (parsed(given) if given else None) or parsed(configured) or kept


def options(tags: Tags) -> list[str]:
    """As `sam deploy` takes them."""
    return ["--tags", *(f'"{key}"="{value}"' for key, value in sorted(tags.items()))] if tags else []
