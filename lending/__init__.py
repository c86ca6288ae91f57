"""The lending service: devices, referrals, loans and the office, in a browser and for the machines at the edge."""
