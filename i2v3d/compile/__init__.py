"""From a resolved scene to a checked graph of stage calls, and its printed forms."""
