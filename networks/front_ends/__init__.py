"""Front ends: waveforms to cochleagrams or mel spectrograms."""
