"""Letters between agents: what they are, and who gets them."""
