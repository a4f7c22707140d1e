"""The arithmetic of the electrocardiogram: arrays in, numbers out."""
