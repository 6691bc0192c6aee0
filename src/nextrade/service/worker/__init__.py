"""Workers: the programs that run partitions behind RabbitMQ."""
