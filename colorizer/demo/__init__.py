"""The demo, a Gradio page: one file per tab, with widgets and events only."""

import os

# Read when Gradio and the Hub's library are imported: no usage statistics are sent.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
