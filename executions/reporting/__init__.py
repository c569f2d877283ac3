"""Records reports on runs: one report, or a thousand at once."""
