"""How the page looks and feels: colors, fonts and spacing, in light and dark, and its scripts."""

from pathlib import Path

import gradio as gr


def read_asset(name: str) -> str:
    """Read one of the page's own HTML, CSS and JavaScript files."""
    return Path(__file__).with_name("assets").joinpath(name).read_text("utf-8")


HEAD = f"<script>{''.join(map(read_asset, ('upload.js', 'share.js', 'dabs.js', 'stage.js', 'page.js')))}</script>"

CSS = read_asset("page.css") + read_asset("stage.css")


def build_theme() -> gr.themes.Base:
    """Build the theme; it uses the fonts of the visitor's system, so that none is downloaded."""
    theme = gr.themes.Soft(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="md",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Consolas", "monospace"],
    )
    # Panels are outlined, and subdued text is darker than the theme's own, which is too pale to read.
    return theme.set(
        body_background_fill="*neutral_50",
        block_border_width="1px",
        # A step darker than the theme's own, on which white letters are hard to read.
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        button_secondary_background_fill_hover_dark="*neutral_700",
        checkbox_label_background_fill_selected="*primary_600",
        block_title_background_fill="transparent",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
    )
