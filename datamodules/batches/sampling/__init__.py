"""How often each clip is drawn in training: class-balanced, at a temperature, or by weights of your own."""

SAMPLINGS = {"BalancedSampling": "datamodules.batches.sampling.balanced:BalancedSampling"}
"""Built-in ways of sampling, by class. Your own are named by `class_path` as `package.module:Name`."""
