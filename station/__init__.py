"""The refurbishing station: look at machines and drives, wipe drives and prove it, offline."""
