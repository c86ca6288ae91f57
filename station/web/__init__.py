"""The volunteer's screen: big tiles by bay, on loopback, unprivileged. It reads what the bench says, leaves orders.

It never opens a drive, starts a program or writes history; a crash of it stops nothing.
"""
