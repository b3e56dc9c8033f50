"""Balances: the ledger, how it is credited, and what was parked instead."""
