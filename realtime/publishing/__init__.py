"""From a recorded event to its announcement."""
