"""What two feature spaces predict of the same responses: alone, and together."""
