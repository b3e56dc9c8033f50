"""What a person does to a running system, by verbs: on the command line and as a function."""
