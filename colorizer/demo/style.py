"""How the page looks and feels: colors, fonts and spacing, in light and dark; Ctrl+V; names of thumbnails."""

import gradio as gr

# Gradio has a button that pastes; this lets Ctrl+V do the same, as if the file were dropped. And Gradio calls a
# thumbnail "Thumbnail 2 of 20"; those who hear the page get its caption.
HEAD = """
<script>
document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
    const target = document.querySelector("#source input[type=file], #source .image-frame img");
    if (!file || !target?.closest("#source").offsetParent) return;
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(file);
    target.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
});
new MutationObserver(() => {
    for (const image of document.querySelectorAll(".thumbnail-item img")) {
        const thumbnail = image.closest("button");
        if (image.alt && thumbnail.ariaLabel !== image.alt) thumbnail.ariaLabel = image.alt;
    }
}).observe(document, {subtree: true, childList: true, attributeFilter: ["alt", "aria-label"]});
</script>
"""

CSS = """
/* Of the same width whatever the page holds. */
.gradio-container {width: 100%; max-width: min(1200px, 100vw) !important; margin: 0 auto !important}
#header {padding: 12px 0 4px}
#header h1 {font-size: 1.9rem; letter-spacing: -0.02em; margin: 0 0 4px}
#header p {font-size: 1.05rem; max-width: 64ch}
#header p, .hint p {color: var(--body-text-color-subdued)}
.hint p {font-size: 0.9rem}

/* Labels stand above the pictures instead of on them. */
label[data-testid="block-label"].float {
    position: static; padding: 8px 12px; border: none; background: none; box-shadow: none;
    color: var(--body-text-color); font-weight: 600;
}
label[data-testid="block-label"].float > span {display: none}

/* Whole pictures, as large as their panel, never cropped. */
.picture.picture .image-frame img {width: 100%; height: auto; max-height: 72vh; object-fit: contain}
/* In full screen Gradio 6.31 tells places of clicks as if nothing were ever enlarged. */
#canvas.picture.picture .image-frame img {object-fit: scale-down}
.picture .image-container > button {display: block; width: 100%}
.pixelated img {image-rendering: pixelated}

#source {border-color: var(--primary-300)}
#source .image-container {height: calc(100% - 38px); min-height: 220px}  /* What its label leaves. */
#source .image-frame img {object-fit: contain}

.thumbnails.thumbnails .grid-container {
    grid-template-columns: repeat(auto-fill, minmax(var(--thumbnail, 64px), 1fr));
    grid-auto-rows: auto; gap: 8px; padding: 0; min-width: 0;
}
.thumbnails.thumbnails .grid-wrap {min-height: 0; max-height: none; padding: 0 12px 12px; overflow: visible}
.thumbnails.thumbnails .thumbnail-item {width: 100%; height: auto; aspect-ratio: 1; min-width: 0}
.thumbnails .caption-label {display: none}
#examples {--thumbnail: 84px}
.swatches {--thumbnail: 40px}
[data-testid="upload-text"] {color: var(--body-text-color) !important}
#about-text pre, #about-text pre code {white-space: pre-wrap; overflow-wrap: anywhere; overflow: visible}
button[role="tab"][aria-selected="true"] {color: var(--primary-600)}
.dark button[role="tab"][aria-selected="true"] {color: var(--primary-300)}
#answers {--thumbnail: 220px}
#answers .thumbnail-item {aspect-ratio: 4 / 3}
#doubt.picture .image-frame img {max-height: 420px}
#canvas .image-frame {cursor: crosshair}
#color .dialog-button {width: 100%; height: 40px; border-radius: var(--radius-md)}

#problem p {
    margin: 0; padding: 10px 14px; border-left: 3px solid var(--error-icon-color); border-radius: var(--radius-sm);
    background: var(--block-background-fill); color: var(--body-text-color);
}
#choice {align-items: flex-end}
#choice button {white-space: nowrap}
#downloads {justify-content: flex-start}
#fetched {display: none !important}
#downloads button {white-space: nowrap}

:is(#figures, #whole-set, #about-text) :is(table, tr, th, td) {border: none !important}
:is(#figures, #whole-set, #about-text) table {width: auto}
:is(#figures, #whole-set, #about-text) :is(th, td) {padding: 6px 24px 6px 0; text-align: right; white-space: nowrap}
:is(#figures, #whole-set, #about-text) :is(th, td):first-child {text-align: left; white-space: normal}
:is(#figures, #whole-set, #about-text) tbody tr {border-top: 1px solid var(--border-color-primary) !important}
#about-text {max-width: 76ch}

#pages {align-items: flex-end; justify-content: flex-start; flex-wrap: nowrap}
#pages > * {flex-grow: 0 !important; min-width: min(100px, 28vw) !important}
#pages > :has(#page) {min-width: min(160px, 36vw) !important}
#test-panels {display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr))}
.words, #whole-set {max-width: 76ch}

/* Drawings of the tab How it works. */
.layers {
    display: flex; flex-wrap: wrap; align-items: flex-end; gap: 16px 12px; padding: 8px 0; margin: 0; list-style: none;
}
.layers li {display: flex; flex-direction: column; align-items: center; min-width: 96px; font-size: 0.85rem}
.layers .box {border-radius: 3px; margin-bottom: 6px; background: var(--primary-500)}
.layers .decoder {background: #0d9488}
.layers .vector {background: #d97706}
.curves, .bars {margin: 8px 0; max-width: 720px}
.curves svg, .bars svg {display: block; width: 100%; height: 200px; overflow: visible}
.bars svg {height: 120px}
.curves .plot {position: relative; border: solid var(--border-color-primary); border-width: 0 0 1px 1px}
.curves .plot > span {position: absolute; left: 8px; font-size: 0.85rem}
.curves .high {top: 0}
.curves .low {bottom: 0}
.curves .epochs, .curves .keys {display: flex; justify-content: space-between; font-size: 0.85rem; padding: 4px 0}
.curves .keys {justify-content: flex-end; gap: 24px}
.curves .keys span::before {
    content: ""; display: inline-block; width: 24px; margin-right: 6px; border-top: 3px solid var(--primary-500);
    vertical-align: middle;
}
.curves .keys .validation::before {border-top: 3px dashed #d97706}
.curves svg * {fill: none; stroke-width: 2; vector-effect: non-scaling-stroke}
.curves svg .training {stroke: var(--primary-500)}
.curves svg .validation {stroke: #d97706; stroke-dasharray: 6 4}
.curves svg .best {stroke: var(--body-text-color-subdued); stroke-width: 1}
.bars .up {fill: var(--primary-500)}
.bars .down {fill: #d97706}
figcaption {font-size: 0.9rem; padding-top: 4px}
.wide {overflow-x: auto}
.wide td, .wide th {padding: 4px 16px 4px 0; text-align: left; white-space: nowrap}
summary {cursor: pointer; padding: 8px 0}
#follow-choice {align-items: flex-start}
#vector {align-self: center}

input[type="range"]:focus-visible {outline: 2px solid var(--primary-500); outline-offset: 4px}

footer .divider {display: none !important}

@media (max-width: 640px) {
    /* Else the tabs don't fit side by side, and Gradio hides them in a menu. */
    .tab-container button {padding: 0 3px; font-size: 0.78rem}
    :is(#choice, #downloads) button {flex-grow: 1 !important}
    /* What was asked for comes before what else could be. */
    #start {display: contents}
    #start > :last-child {order: 1}
    #answers {--thumbnail: 130px}
    :is(#test-panels, #way, #parts, #large) {display: grid; grid-template-columns: 1fr 1fr}
    :is(#gallery, #follow) {--thumbnail: 44px}
    #vector {grid-column: 1 / -1; order: 1}
    .layers {gap: 12px 8px}
    :is(#figures, #whole-set, #about-text) :is(th, td) {padding-right: 12px}
}
"""


def build_theme() -> gr.themes.Base:
    """Build the theme; its fonts are those of the visitor's system, so that none is fetched."""
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
        checkbox_label_background_fill_selected="*primary_600",
        block_title_background_fill="transparent",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
    )
