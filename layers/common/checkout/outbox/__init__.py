"""Messages on their way to Kafka: the two contracts, the outbox, and the producer."""
