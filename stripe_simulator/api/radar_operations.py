"""/v1/radar/early_fraud_warnings"""

from stripe_simulator.api.operations import listing, retrieval
from stripe_simulator.api.params import text
from stripe_simulator.resources.fraud_warnings import KIND

PATH = "/radar/early_fraud_warnings"
OPERATIONS = (listing(KIND, PATH, charge=text(), payment_intent=text()), retrieval(KIND, PATH))
