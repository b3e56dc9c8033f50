"""Worlds that begin with the release before this one, and are migrated in the middle of their traffic."""
