"""Learners of what a user likes."""
