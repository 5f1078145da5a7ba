"""Number plates: found, read line by line, fused over frames, with a calibrated probability."""
