"""Evaluation of a model: metrics and plots."""
