"""Controllable image-to-video generation with 3D guidance, compiled from a scene spec.

A scene spec is source code, a video is the build product: `i2v3d build scene.yaml`.
Importing this package imports nothing heavy; see the sub-packages, named in the order in
which a build passes through them: spec, compile, plan, execute (with stages and store), report.
"""

__version__ = "0.1.0"
