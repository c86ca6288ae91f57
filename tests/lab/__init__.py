"""A laboratory of drives on a machine that has none: a virtual machine with real drivers, and what is done to it."""
