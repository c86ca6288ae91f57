"""What the Makefile runs: set-up and the whole line on practice drives. Never packaged."""
