"""What a generated scene script calls: building, animating and writing out a scene in Blender."""
