"""RabbitMQ for real: connections, publishing, the queue of a partition."""
