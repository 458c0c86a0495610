"""Your own data: a folder of pictures, or a prepared TensorFlow Dataset."""
