"""What others can judge us with: annotate, plot and validate any record."""
