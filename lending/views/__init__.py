"""Views: read what a browser sent, call one use case inside one transaction, render. No rule is decided here."""
