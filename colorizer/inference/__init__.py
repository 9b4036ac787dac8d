"""Inference with a trained model: `Colorizer`, and the modules that it uses."""
