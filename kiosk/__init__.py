"""The return kiosk: takes every device back, with or without a network, and holds no names.

`flow` is the course of a visit (pure), `visits` keeps the visits going and records their returns, `views` shows
them, `words` translates, `slips` prints, `background` brings the journal to the server and back.
"""
