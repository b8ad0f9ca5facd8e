"""What can be asked, one file for each thing that it is asked of."""
