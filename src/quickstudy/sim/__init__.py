"""Simulators of bodies: equations that are solved for many at a time."""
