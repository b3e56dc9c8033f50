"""`make fuzz`: sends tens of thousands of generated inputs to all routes, the webhook and both topics of a
stack, with good payments among them. No answer may be a 5xx, no partition may stop, and every good payment
must be credited to the cent.

An input depends only on the seed, its kind and its number, so `SEED=` repeats it. The Stripe simulator's ids
and the order of parallel inputs differ between runs.
"""
