"""Learners of gaits and grips."""
