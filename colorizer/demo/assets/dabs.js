// A button that isn't part of a form.
function makeButton(properties, clicked) {
    const button = Object.assign(document.createElement("button"), {type: "button", ...properties});
    button.addEventListener("click", clicked);
    return button;
}

// Dabs of color on the photo: placed, selected, recolored and removed by mouse, touch or keyboard, with undo and redo.
// `changed` is called when the photo must be colorized again, `selected` when colors should be suggested for the current
// dab; `picture` returns the URL that the pipette picks from, and `refuse` shows an error.
function placeDabs(element, options, {refuse, changed, selected, picture}) {
    const find = (selector) => element.querySelector(selector);
    const overlay = find(".dabs"), color = find("input[type=color]"), pipette = find(".pipette");

    // While the color field is open (`choosing`), it reports each color on the way; all of them are a single step to undo.
    let dabs, current, recolors, choosing, past, future;
    let cross = {x: 0.5, y: 0.5};
    const clip = (value) => Math.min(Math.max(value, 0), 0.9999);

    function forget() {
        [dabs, current, recolors, choosing, past, future] = [[], -1, false, false, [], []];
        offer([]);
    }

    function edit(edited) {
        if (!choosing) past.push(dabs);
        future = [];
        dabs = edited;
        settle();
    }

    function settle() {
        recolors = false;
        draw();
        changed();
    }

    function place(x, y) {
        if (dabs.length >= options.maxDabs) {
            return refuse(`A photo can have ${options.maxDabs} dabs of color. Delete some first.`);
        }
        edit([...dabs, {x, y, color: color.value}]);
        select(dabs.length - 1);
    }

    function select(index, opens = false) {
        current = index;
        recolors = opens;  // Then the color field shows this dab's color and changes it.
        if (recolors) color.value = dabs[index].color;
        draw();
        offer([]);  // Colors are suggested for one spot.
        if (dabs[index]) selected();
    }

    function recolor(index, value) {
        color.value = value;
        if (dabs[index]?.color === value) return;
        const isChosen = recolors;
        edit(dabs.map((each, i) => (i === index ? {...each, color: value} : each)));
        recolors = isChosen;
    }

    function draw() {
        const focused = [...overlay.children].indexOf(document.activeElement);
        overlay.replaceChildren(...dabs.map((each, i) => {
            const name = {className: "ring", ariaLabel: `Dab ${i + 1}, ${each.color}`, ariaPressed: i === current};
            const ring = makeButton(name, (event) => {
                event.stopPropagation();
                select(i, true);
            });
            put(ring, each);
            ring.style.backgroundColor = each.color;
            ring.addEventListener("keydown", (event) => {
                if (event.key === "Delete" || event.key === "Backspace") remove(i);
                event.stopPropagation();
            });
            return ring;
        }));
        const mark = document.createElement("span");
        mark.className = "cross";
        put(mark, cross);
        overlay.append(mark);
        if (focused >= 0) (overlay.children[Math.min(focused, dabs.length - 1)] ?? overlay).focus();
        find(".undo").disabled = !past.length;
        find(".redo").disabled = !future.length;
        find(".delete").disabled = current < 0;
        find(".clear").disabled = !dabs.length;
    }

    function put(mark, {x, y}) {
        [mark.style.left, mark.style.top] = [`${100 * x}%`, `${100 * y}%`];
    }

    function remove(index) {
        edit(dabs.filter((_, i) => i !== index));
        select(Math.min(current > index ? current - 1 : current, dabs.length - 1));
    }

    function travel(from, to) {
        if (!from.length) return;
        to.push(dabs);
        dabs = from.pop();
        settle();
        select(dabs.length - 1);
    }

    overlay.addEventListener("click", (event) => {
        const box = overlay.getBoundingClientRect();
        const x = clip((event.clientX - box.left) / box.width), y = clip((event.clientY - box.top) / box.height);
        if (pipette.ariaPressed === "true") return take(x, y);
        cross = {x, y};
        place(x, y);
    });
    overlay.addEventListener("keydown", (event) => {
        const step = event.shiftKey ? 0.05 : 0.01;
        const [right, below] = {
            ArrowRight: [step, 0], ArrowLeft: [-step, 0], ArrowDown: [0, step], ArrowUp: [0, -step],
        }[event.key] ?? [0, 0];
        if (right || below) {
            cross = {x: clip(cross.x + right), y: clip(cross.y + below)};
            put(find(".cross"), cross);
        } else if (event.key === "Enter" || event.key === " ") {
            if (pipette.ariaPressed === "true") take(cross.x, cross.y);
            else place(cross.x, cross.y);
        } else return;
        event.preventDefault();
    });

    async function take(x, y) {
        const image = new Image();
        image.src = picture();
        await image.decode();
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = 1;
        const context = canvas.getContext("2d");
        context.drawImage(image, -Math.floor(x * image.naturalWidth), -Math.floor(y * image.naturalHeight));
        const value = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        color.value = `#${value.map((each) => each.toString(16).padStart(2, "0")).join("")}`;
        pipette.ariaPressed = false;
        find(".stage").classList.remove("picking");
    }

    function suggest(response) {
        const dab = dabs[current];
        if (dab && dab.x === response.x && dab.y === response.y) offer(response.colors);
    }

    function offer(colors) {
        find(".suggestions").hidden = !colors.length;
        find(".swatches").replaceChildren(...colors.map((value) => {
            const swatch = makeButton({ariaLabel: value}, () => recolor(current, value));
            swatch.style.backgroundColor = value;
            return swatch;
        }));
    }

    find(".reach").addEventListener("input", () => { if (dabs.length) changed(); });
    color.addEventListener("input", () => {
        if (!recolors) return;
        const before = dabs;
        recolor(current, color.value);
        choosing ||= dabs !== before;
    });
    color.addEventListener("change", () => { choosing = false; });
    pipette.addEventListener("click", () => {
        pipette.ariaPressed = pipette.ariaPressed !== "true";
        find(".stage").classList.toggle("picking", pipette.ariaPressed === "true");
    });
    find(".undo").addEventListener("click", () => travel(past, future));
    find(".redo").addEventListener("click", () => travel(future, past));
    find(".delete").addEventListener("click", () => remove(current));
    find(".clear").addEventListener("click", () => {
        edit([]);
        select(-1);
    });

    forget();
    return {chosen: () => ({dabs, current}), forget, draw, suggest};
}
