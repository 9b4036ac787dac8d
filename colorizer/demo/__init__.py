"""The demo, a Gradio page: one file per tab, with widgets and events only."""

import os
from typing import TYPE_CHECKING, Any

# Read when Gradio and the Hub's library are imported: no usage statistics are sent.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from colorizer.demo.page import build_demo as build_demo
    from colorizer.demo.page import launch_options as launch_options

__all__ = ["build_demo", "launch_options"]


def __getattr__(name: str) -> Any:
    """Import the page on first use: Gradio takes seconds, and the server has other things to prepare meanwhile."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from colorizer.demo import page

    return getattr(page, name)
