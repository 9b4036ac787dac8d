// Ways to open a photo: choosing it, dropping it anywhere on the page, and pasting. `begin` returns the number of an
// upload, `isLatest` tells whether a newer one has begun, `opened` gets the file on the server, `failed` and `refuse` an error.
function handleUploads(element, options, {isShown, accept, refuse, begin, isLatest, opened, failed}) {
    const find = (selector) => element.querySelector(selector);
    const stage = find(".stage"), fileInput = find("input[type=file]");

    async function open(file) {
        accept();
        if (file.size > options.maxBytes) {
            const [size, limit] = [file.size, options.maxBytes].map((bytes) => Math.ceil(bytes / 1e6));
            return refuse(`${file.name} is ${size} MB; the limit is ${limit} MB. Save a smaller copy, for example as a JPEG, and try again.`);
        }
        const mine = begin();
        try {
            const form = new FormData();
            form.append("files", file, file.name || "photo.png");
            const response = await fetch("gradio_api/upload", {method: "POST", body: form});
            const text = await response.text();
            if (!isLatest(mine)) return;  // A newer one has begun.
            if (!response.ok) throw new Error(reason(text) ?? `The server refused ${file.name}.`);
            opened({path: JSON.parse(text)[0], name: file.name || "photo.png"});
        } catch (error) {
            if (!isLatest(mine)) return;
            const lost = error instanceof TypeError;
            failed(lost ? "The server can't be reached. Check your connection and try again." : error.message);
        }
    }

    function reason(text) {
        try {
            const said = JSON.parse(text);
            return said.detail ?? said.error;
        } catch {
            return text.length < 300 && !text.startsWith("<") ? text : null;
        }
    }

    function openAll(files, links) {
        if (files.length > 1) return refuse("Choose one photo here. For several at once, use the Batch tab.");
        if (files.length) return open(files[0]);
        if (links) refuse("That is a link, not a file. Save the picture to your device, and choose that file.");
    }

    fileInput.addEventListener("change", () => {
        openAll([...fileInput.files]);
        fileInput.value = "";  // So that the same file can be chosen again.
    });
    document.addEventListener("dragover", (event) => {
        if (!isShown()) return;
        event.preventDefault();
        stage.classList.add("dropping");
    });
    for (const kind of ["dragleave", "dragend", "drop"]) {
        document.addEventListener(kind, (event) => {
            if (kind !== "dragleave" || !event.relatedTarget) stage.classList.remove("dropping");
        });
    }
    document.addEventListener("drop", (event) => {
        if (!isShown()) return;
        event.preventDefault();
        event.stopPropagation();
        openAll([...event.dataTransfer.files], event.dataTransfer.types.length > 0);
    }, true);
    document.addEventListener("paste", (event) => {
        if (!isShown()) return;
        const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
        if (file) open(file);
    });
    find(".paste").addEventListener("click", async () => {
        accept();
        const keys = "Press Ctrl+V (⌘V on a Mac) to paste instead.";
        let items;
        try {
            items = await navigator.clipboard.read();
        } catch {
            return refuse(`The browser doesn't let this page read the clipboard. ${keys}`);
        }
        for (const item of items) {
            const type = item.types.find((each) => each.startsWith("image/"));
            if (type) return open(new File([await item.getType(type)], `pasted.${type.split("/")[1]}`, {type}));
        }
        refuse("There is no picture on the clipboard. Copy one first.");
    });
}
