"""Rules on packets: what a rule is, its text and JSON forms, and the engine that evaluates them."""
