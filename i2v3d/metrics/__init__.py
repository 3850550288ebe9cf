"""What is measured on a clip whose true geometry is known: pure functions of pictures and passes.

The render is ground truth for geometry, so much that others can only estimate (motion, outlines, what was never seen)
is compared here with what it must be. Every function states what identical clips give.
"""
