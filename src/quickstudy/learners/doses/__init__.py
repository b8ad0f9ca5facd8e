"""Learners of drug levels."""
