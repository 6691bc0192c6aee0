"""RabbitMQ: where it is, connections that come back by themselves, confirmed publishing."""
