"""Lambda on one machine: the template's functions, each in execution environments of its own."""
