"""The stack with its functions in Lambda's own containers."""
