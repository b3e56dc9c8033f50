"""Kafka on one machine: the broker, embedded or Apache's, and Lambda's trigger."""
