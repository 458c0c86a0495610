"""From one domain to another whose labels nobody knows: classifiers adapt, and synthetic images are refined."""
