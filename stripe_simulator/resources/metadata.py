"""Metadata, as Stripe merges it (https://docs.stripe.com/api/metadata)."""


def merged(current: dict[str, str], change: dict[str, str] | None) -> dict[str, str]:
    """The merged keys, with stripped values. An empty value removes its key, and None removes all keys."""
    if change is None:
        return {}
    trimmed = {key: value.strip() for key, value in change.items()}
    return {key: value for key, value in {**current, **trimmed}.items() if value}


def initial(wanted: dict[str, str] | None) -> dict[str, str]:
    return merged({}, wanted)
