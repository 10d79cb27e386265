"""What a change would do, by the gate, before anybody decides it."""
