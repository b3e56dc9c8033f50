"""What every room uses: settings, errors, PostgreSQL, secrets, logs and metrics, text."""
