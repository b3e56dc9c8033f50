"""`make fuzz`: tens of thousands of generated inputs over all routes, the webhook and both topics of a stack
of its own, with good payments among them. Nothing may answer 5xx, no partition may stop, and every good
payment is credited to the cent.

Each input is made from the seed, its kind and its number alone, so `SEED=` makes the same ones again. (Ids of
the Stripe simulator and the order in which parallel inputs arrive are those of the run.)
"""
