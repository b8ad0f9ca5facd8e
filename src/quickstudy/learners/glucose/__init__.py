"""Learners of glucose."""
