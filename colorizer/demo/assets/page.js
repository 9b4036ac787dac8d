// Mend what Gradio's widgets do: show error messages on the page instead of in a popup that vanishes, until the visitor
// does something else; name buttons for screen readers; and put an emptied number back to its default.
(() => {
    function refuse(words) {
        if (window.stage?.isShown()) return window.stage.refuse(words);
        const tab = [...document.querySelectorAll("[role=tabpanel]")].find((each) => each.offsetParent !== null);
        if (!tab) return;
        const problem = document.createElement("p");
        problem.className = "problem";
        problem.role = "alert";
        problem.textContent = words;
        forget();
        tab.prepend(problem);
        problem.scrollIntoView({block: "nearest"});
    }

    function forget() {
        for (const each of document.querySelectorAll("[role=tabpanel] > p.problem")) each.remove();
    }

    for (const kind of ["change", "drop"]) document.addEventListener(kind, forget, true);
    document.addEventListener("click", (event) => { if (event.target.closest("button")) forget(); }, true);

    new MutationObserver(() => {
        for (const toast of document.querySelectorAll(".toast-body.error:not([data-told])")) {
            toast.dataset.told = "";
            toast.hidden = true;
            const words = (toast.querySelector("[data-testid=toast-text]") ?? toast).textContent.trim();
            toast.querySelector(".toast-close")?.click();  // Before `refuse`: clicking a button removes messages.
            // Gradio's megabytes are not those of the limits on the page.
            const large = words.match(/^File\(s\) exceed the maximum allowed size of .*?: (.*)$/s);
            refuse(large ? `${large[1].replaceAll('"', "")} is larger than this page accepts: make it smaller first.` : words);
        }
        for (const image of document.querySelectorAll(".thumbnail-item img")) {
            const thumbnail = image.closest("button");
            // Otherwise its name would be "Thumbnail 2 of 20".
            if (image.alt && thumbnail.ariaLabel !== image.alt) thumbnail.ariaLabel = image.alt;
        }
        for (const outer of document.querySelectorAll("button[aria-label='common.upload']")) {
            // Gradio has no words for it, and wraps the button that works in one that does nothing.
            outer.querySelector("button").ariaLabel = outer.title = "Add files";
            outer.removeAttribute("aria-label");
            [outer.role, outer.tabIndex] = ["group", -1];
        }
    }).observe(document, {subtree: true, childList: true, attributeFilter: ["alt", "aria-label"]});

    // A slider of Gradio fails while its number is empty, and then goes to its minimum.
    const isEmptied = (input) => input.dataset?.testid === "number-input" && input.value === "";
    document.addEventListener("input", (event) => { if (isEmptied(event.target)) event.stopPropagation(); }, true);
    document.addEventListener("change", ({target}) => {
        if (!isEmptied(target)) return;
        const label = target.closest(".block").querySelector("label").textContent.trim();
        const sliders = window.gradio_config.components.filter((each) => each.type === "slider");
        target.value = sliders.find((each) => each.props.label === label).props.value;
        target.dispatchEvent(new Event("input", {bubbles: true}));
    }, true);
})();
