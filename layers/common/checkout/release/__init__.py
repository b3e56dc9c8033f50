"""What a deployment does: migrations, roles, topics, and the check of new versions."""
