"""The whole stack on one machine: its parts, in order, and how to reach it."""
