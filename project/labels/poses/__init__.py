"""Step 1: ego poses are corrected."""
