"""API Gateway's HTTP API on one machine."""
