"""Sees from the witness that a leader is dead, and takes its key before its lease is over (docs/decisions/0027)."""
