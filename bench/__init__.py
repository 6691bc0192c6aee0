"""How fast the book is, against a limit that every user can measure on his own machine."""
