"""From the broker into the record: decode, commit, then acknowledge and receipt."""
