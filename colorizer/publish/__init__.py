"""Publishing: exports, models on the Hugging Face Hub, and Spaces."""
