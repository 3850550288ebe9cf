"""The scene spec: model, YAML with positions, units, templating, resolving, JSON schema."""
