"""How well a model does, in numbers and plots."""
