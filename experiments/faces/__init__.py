"""Small photographs of faces, which ship with scikit-image."""
