"""Learning: the LightningModule, losses, metrics, schedules and optimisers."""
