"""AWS Backup's switch for Aurora, which the account has in each region."""

from collections.abc import Iterator

import boto3

from deployment import region


def missing() -> Iterator[str]:
    """What to do if it is off: AWS Backup then skips every cluster, also one that a plan names, and reports
    nothing. Raises what boto3 raises."""
    chosen = boto3.client("backup").describe_region_settings()["ResourceTypeOptInPreference"]
    if not chosen.get("Aurora"):
        yield (
            "DatabaseCopyVaultArn would copy nothing, since AWS Backup is not switched on for Aurora in"
            f" {region()}: aws backup update-region-settings --resource-type-opt-in-preference Aurora=true"
        )
