"""How the models are trained; needs Keras."""
