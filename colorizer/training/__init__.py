"""Training of the models; needs Keras."""
