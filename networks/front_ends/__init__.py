"""From waveforms to what the backbone sees: cochleagrams and mel spectrograms."""
