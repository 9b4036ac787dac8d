"""The networks as Keras models, one per file."""
