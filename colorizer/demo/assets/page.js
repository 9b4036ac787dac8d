// Show Gradio's error messages on the page instead of in a popup that vanishes, until the visitor does something else;
// and give each thumbnail its caption as its accessible name, which would otherwise be "Thumbnail 2 of 20".
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
            if (image.alt && thumbnail.ariaLabel !== image.alt) thumbnail.ariaLabel = image.alt;
        }
        for (const button of document.querySelectorAll("button[aria-label='common.upload']")) {
            button.ariaLabel = button.title = "Add files";  // Gradio has no words for it.
        }
    }).observe(document, {subtree: true, childList: true, attributeFilter: ["alt", "aria-label"]});
})();
