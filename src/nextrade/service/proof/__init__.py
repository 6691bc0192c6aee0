"""The proof of an exchange on servers: ledger, book stores and event stream, while it runs."""
