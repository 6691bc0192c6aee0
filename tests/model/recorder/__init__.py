"""Markets whose truth is known, and what exchanges of each kind would publish of them."""
