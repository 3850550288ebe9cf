"""Everything that a person reads: tables, progress, errors, contact sheets."""
