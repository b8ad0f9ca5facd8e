"""What one user likes."""
