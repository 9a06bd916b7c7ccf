"""Subjects by pseudonym: what they agreed to, and what happens when they take it back."""
