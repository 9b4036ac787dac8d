"""The demo: a tab a file, widgets and events, no arithmetic."""

import os

# Gradio and the Hub's library ask for these when they are imported. Nothing is reported to anyone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from colorizer.demo.page import build_demo, launch_options

__all__ = ["build_demo", "launch_options"]
