"""One small example for each rule of money, drawn as tables, for both exchanges."""
