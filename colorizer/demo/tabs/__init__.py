"""The pages of the demo, a tab a file."""
