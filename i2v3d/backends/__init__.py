"""What a stage may be done with. Nothing here is imported before a step runs; see `catalog`."""
