"""Pure rules of the exchange: assets, markets, units. No I/O, no clock, no randomness."""
