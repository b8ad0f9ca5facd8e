"""Learners of gaits."""
