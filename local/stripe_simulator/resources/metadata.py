"""Metadata, as Stripe merges it (https://docs.stripe.com/api/metadata)."""


def merged(current: dict[str, str], change: dict[str, str] | None) -> dict[str, str]:
    """The keys of both; a key changed to an empty value goes, and with None all of them do."""
    if change is None:
        return {}
    return {key: value for key, value in {**current, **change}.items() if value}


def initial(wanted: dict[str, str] | None) -> dict[str, str]:
    return merged({}, wanted)
