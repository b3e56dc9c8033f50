"""From a stored event to the endpoint's 2xx: signatures, attempts, back-off, and faults on request."""
