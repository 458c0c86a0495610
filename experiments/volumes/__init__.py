"""Volumes of voxels, and frames of moving pictures."""
