"""Encoding models: ridge regression from features to responses, with splits, penalties and noise ceilings."""
