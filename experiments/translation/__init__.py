"""Translation: images of one kind into images of another, from pairs or without."""
