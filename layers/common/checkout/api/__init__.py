"""HTTP in and out: requests, problems, callers, and what a user may read."""
