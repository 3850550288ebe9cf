"""Backends of the profile `modern`: newer models behind the protocols of the paper's."""
