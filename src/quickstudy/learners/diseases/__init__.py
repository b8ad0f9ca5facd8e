"""Learners of patients as terms."""
