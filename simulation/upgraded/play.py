"""Play one world in which this release is deployed."""

from pathlib import Path

from simulation import clock, quiet
from simulation.play import Player
from simulation.upgraded import release_before
from simulation.upgraded.processes import Deployment


class UpgradedPlayer(Player):
    """In databases with the schema of the release before."""

    processes = Deployment

    def __init__(self, virtual: clock.Clock, checkout_url: str, application_url: str, folder: Path) -> None:
        """`folder` is where the release before is: see release_before.prepare."""
        super().__init__(virtual, checkout_url, application_url)
        release_before.make_importable(folder)
        clock.install(virtual, release_before.module())
        quiet.be_quiet(release_before.module("base.telemetry"))
