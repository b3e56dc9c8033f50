"""A model of Stripe of the simulation's own: what is true there, what it answers, and what it sends."""
