// The tab Your photo: opens a photo, shows the result, and keeps the visitor's choices. The server only makes pictures:
// `request` makes the requests to it, and `handlers` has the functions for its responses, by kind.
function startStage(element, props, trigger) {
    const options = props.options;
    const find = (selector) => element.querySelector(selector);
    const stage = find(".stage"), frame = find(".frame"), problem = find(".problem"), overlay = find(".dabs");
    const busy = find(".busy"), reach = find(".reach");
    const vividness = find(".vividness"), vividnessNumber = find(".vividness-number"), detail = find(".detail");

    let photo = options.opening.photo;  // {example} or {path, name}.
    let candidate = null;  // A photo that the server hasn't accepted yet.
    let view = options.opening;
    let version = null;  // The colors of the version that is shown; null for the first.
    let versions = [];
    let latest = 0;
    let model = options.model;
    let mode = "compare";
    let sideBySide = null;  // A file to share, made in advance.
    let timer = null;

    const dabs = placeDabs(element, options, {
        refuse,
        changed: paint,
        selected: () => trigger("select"),
        picture: () => view.truth ?? view.after,
    });

    const takesHints = () => options.models.find((each) => each.name === model).takesHints;

    // ---- Requests and responses

    function request(kind) {
        // What is on the screen is what is downloaded, even if another photo is on its way.
        const coming = kind === "download" ? null : candidate;
        const own = coming ? {dabs: [], current: -1, version: null, drawn: 0}
            : {...dabs.chosen(), version, drawn: versions.length};
        return {
            id: latest, photo: coming ?? photo, ...own, model, vividness: Number(vividness.value),
            detail: Number(detail.value), reach: Number(reach.value), prepare: find(".prepare").checked,
        };
    }

    function paint() {
        latest += 1;
        say("Colorizing…");
        trigger("input");
    }

    const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

    const handlers = {
        paint(response) {
            if (response.id === latest) quiet();
            if (response.error) {
                if (response.id !== latest) return;  // There is a newer request.
                candidate = null;
                return refuse(response.error);
            }
            const isNew = candidate && same(response.photo, candidate);
            if (isNew) {
                [photo, candidate, version, versions] = [candidate, null, null, []];
                dabs.forget();
                find(".position").value = 50;
                placeLine();
                drawVersions();
                setMode(mode === "versions" ? "compare" : mode);
            }
            if (!same(response.photo, photo)) return;  // It is about a photo that was replaced.
            view = response;
            show();
            if (isNew) frame.scrollIntoView({block: "nearest"});  // It may have been dropped further down.
        },
        suggest: (response) => dabs.suggest(response),
        versions(response) {
            find(".ask").disabled = false;
            if (response.error) return refuse(response.error);
            if (!same(response.photo, photo)) return;
            versions.push(...response.versions);
            find(".doubt img").src = response.doubt;
            find(".doubt").hidden = false;
            drawVersions();
        },
        download(response) {
            ready();
            if (response.error) return refuse(response.error);
            saveFile(response.url, response.name);
        },
    };

    function failed(what) {
        quiet();
        ready();
        find(".ask").disabled = false;
        candidate = null;
        if (what === "suggest") return;
        // Gradio usually shows the reason itself, and page.js moves it here.
        if (problem.hidden) refuse("That didn't work. Try again in a minute.");
    }

    function say(words) {
        busy.textContent = words;
        timer ??= setTimeout(() => { busy.hidden = false; }, 150);
    }

    function quiet() {
        clearTimeout(timer);
        timer = null;
        busy.hidden = true;
    }

    function refuse(words) {
        problem.textContent = words;
        problem.hidden = false;
        problem.scrollIntoView({block: "nearest"});
    }

    function accept() {
        problem.hidden = true;
        problem.textContent = "";
    }

    // ---- The picture

    function show() {
        frame.style.setProperty("--ratio", view.width / view.height);
        frame.classList.toggle("pixelated", view.small);
        for (const [selector, url, words] of [
            [".before", view.before, `${view.title}, in gray`], [".after", view.after, `${view.title}, colorized`],
        ]) {
            find(selector).src = url;
            find(selector).alt = words;
        }
        find(".panels").hidden = !view.truth;
        find(".panels").classList.toggle("pixelated", view.small);
        if (view.truth) {
            find(".panels .gray").src = view.before;
            find(".panels .colorized").src = view.after;
            find(".panels .truth").src = view.truth;
        }
        find(".gray-note").hidden = Boolean(view.truth);
        find(".caption").textContent = view.caption;
        find(".download").textContent = `Download ${view.format}`;
        find(".download").title = `${view.fullWidth} × ${view.fullHeight} pixels`;
        find(".pipette").textContent = view.truth ? "Pick from original" : "Pick from result";
        dabs.draw();
        share();
    }

    function placeLine() {
        frame.style.setProperty("--position", `${find(".position").value}%`);
    }

    find(".position").addEventListener("input", placeLine);
    let began = null;  // Where the line was before it was dragged.
    const drag = (event) => {
        const box = frame.getBoundingClientRect();
        find(".position").value = Math.round(100 * (event.clientX - box.left) / box.width);
        placeLine();
    };
    frame.addEventListener("pointerdown", (event) => {
        if (mode === "fix" || event.button) return;
        began = find(".position").value;
        if (event.pointerType === "mouse") {
            frame.setPointerCapture(event.pointerId);
            event.preventDefault();  // Otherwise the browser would drag the picture itself.
            find(".position").focus({preventScroll: true});
        }
        drag(event);
    });
    frame.addEventListener("pointermove", (event) => { if (began !== null) drag(event); });
    frame.addEventListener("pointerup", () => { began = null; });
    frame.addEventListener("pointercancel", () => {  // The finger scrolls the page instead.
        if (began === null) return;
        find(".position").value = began;
        began = null;
        placeLine();
    });

    // ---- Modes

    function setMode(name) {
        mode = name;
        stage.dataset.mode = mode;
        for (const tab of element.querySelectorAll("[role=tab]")) {
            const on = tab.dataset.mode === mode;
            tab.ariaSelected = on;
            tab.tabIndex = on ? 0 : -1;
            find(`#${tab.getAttribute("aria-controls")}`).hidden = !on;
        }
        overlay.hidden = mode !== "fix" || !takesHints();
        find(".position").disabled = !overlay.hidden;
        for (const each of element.querySelectorAll(".takes-none")) each.hidden = takesHints();
        for (const each of element.querySelectorAll(".takes-hints, .strength, .number")) each.hidden = !takesHints();
        dabs.draw();
    }

    const tabs = [...element.querySelectorAll("[role=tab]")];
    for (const tab of tabs) {
        tab.addEventListener("click", () => setMode(tab.dataset.mode));
        tab.addEventListener("keydown", (event) => {
            const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
            if (!step) return;
            const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
            setMode(next.dataset.mode);
            next.focus();
        });
    }

    // ---- Other versions

    function drawVersions() {
        find(".doubt").hidden = !versions.length;
        const first = {colors: null, url: null, words: "Default"};
        find(".versions").replaceChildren(...(versions.length ? [first, ...versions] : []).map((each) => {
            const button = makeButton({ariaPressed: same(each.colors, version)}, () => {
                version = each.colors;
                drawVersions();
                paint();
            });
            button.append(each.url ? Object.assign(new Image(), {src: each.url, alt: each.words}) : each.words);
            return button;
        }));
        find(".ask").textContent = versions.length ? "Show four more" : "Show other versions";
    }

    find(".ask").addEventListener("click", () => {
        find(".ask").disabled = true;
        accept();
        trigger("expand");
    });

    // ---- Settings

    for (const each of options.models) {
        const label = document.createElement("label"), radio = document.createElement("input");
        Object.assign(radio, {type: "radio", name: "model", value: each.name, checked: each.name === model});
        radio.addEventListener("change", () => {
            model = each.name;
            setMode(mode);
            paint();
        });
        label.append(radio, each.title);
        find(".models").append(label);
    }
    find(".models").hidden = options.models.length < 2;
    [detail.min, detail.max] = options.detailRange;

    // Replace an empty value by the default, and clip one that is out of range.
    function settleNumber(input, fallback) {
        const value = input.value === "" ? fallback : Number(input.value);
        input.value = Math.min(Math.max(value, Number(input.min)), Number(input.max));
    }

    vividness.addEventListener("input", () => {
        vividnessNumber.value = vividness.value;
        describeStrength();
        paint();
    });
    vividnessNumber.addEventListener("change", () => {
        settleNumber(vividnessNumber, options.vividness);
        vividness.value = vividnessNumber.value;
        describeStrength();
        paint();
    });
    find(".prepare").addEventListener("change", paint);
    detail.addEventListener("change", () => {
        settleNumber(detail, options.detail);
        paint();
    });

    function describeStrength() {
        const words = ["subtle", "natural", "lively", "vivid"];
        vividness.ariaValueText = words[Math.min(3, Math.floor(Number(vividness.value) * 4))];
    }

    // ---- Opening a photo

    const isShown = () => stage.offsetParent !== null;
    handleUploads(element, options, {
        isShown, accept, refuse,
        begin() {
            latest += 1;  // Responses still to come are about the previous photo.
            say("Uploading…");
            return latest;
        },
        isLatest: (number) => number === latest,
        opened(file) {
            candidate = file;
            paint();
        },
        failed(words) {
            quiet();
            refuse(words);
        },
    });
    for (const each of options.examples) {
        const button = makeButton({title: each.title}, () => {
            accept();
            candidate = {example: each.name};
            paint();
        });
        button.append(Object.assign(new Image(64, 64), {src: each.thumbnail, alt: each.title}));
        find(".examples").append(button);
    }

    // ---- Saving and sharing the result

    function work(selector) {
        const button = find(selector);
        button.disabled = true;
        button.dataset.words = button.textContent;
        button.textContent = "Preparing…";
    }

    function ready() {
        for (const button of element.querySelectorAll("[data-words]:disabled")) {
            [button.disabled, button.textContent] = [false, button.dataset.words];
        }
    }

    for (const [selector, event] of [[".download", "download"], [".download-png", "copy"]]) {
        find(selector).addEventListener("click", () => {
            accept();
            work(selector);
            trigger(event);
        });
    }

    // Phones only share a file that is ready when the button is tapped.
    async function share() {
        sideBySide = null;
        find(".share").disabled = true;
        const mine = view;
        const blob = await joinSideBySide(mine.before, mine.after);
        if (mine !== view || !blob) return;
        sideBySide = new File([blob], `${mine.stem}-before-after.jpg`, {type: "image/jpeg"});
        find(".share").disabled = false;
    }

    find(".share").addEventListener("click", () => shareFile(sideBySide));

    // ---- The start

    vividness.value = vividnessNumber.value = options.vividness;
    detail.value = options.detail;
    reach.value = options.reach;
    describeStrength();
    placeLine();
    setMode("compare");
    drawVersions();
    show();
    window.stage = {request, handlers, failed, refuse, isShown};
}
