"""One small drawn example for each matching rule, for both books."""
