// The page's program: one clock that everything follows, the viewer of frames, keyframes and plots.
// Frames are single pictures, not a video: a browser may seek a video to a frame beside the wanted one.
"use strict";
const data = JSON.parse(document.getElementById("page-data").textContent);
const byId = (id) => document.getElementById(id);

// ---- packs ----------------------------------------------------------------------------------------------------
const Packs = (() => {
  const bytes = new Map();
  const decoded = (name) => {
    const text = atob(byId(`pack-${name}`).textContent);
    const array = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) array[at] = text.charCodeAt(at);
    return array;
  };
  const load = (name) => {
    if (!bytes.has(name)) {
      const { sizes } = data.packs[name];
      const ends = [0];
      for (const size of sizes) ends.push(ends[ends.length - 1] + size);
      bytes.set(name, { array: decoded(name), ends });
    }
    return bytes.get(name);
  };
  return {
    has: (name) => name in data.packs,
    blob(name, index) {
      const { array, ends } = load(name);
      return new Blob([array.subarray(ends[index], ends[index + 1])], { type: data.packs[name].type });
    },
    async unpacked(name) {
      const stream = new Blob([decoded(name)]).stream().pipeThrough(new DecompressionStream("gzip"));
      return new Response(stream).arrayBuffer();
    },
  };
})();

// ---- decoded pictures, the latest ones kept ---------------------------------------------------------------------
const Pictures = (() => {
  const most = Math.max(24, Math.floor(2.4e8 / (4 * data.drawn[0] * data.drawn[1])));
  const kept = new Map();
  return {
    get(name, index) {
      const key = `${name}/${index}`;
      let picture = kept.get(key);
      if (picture === undefined) picture = createImageBitmap(Packs.blob(name, index));
      kept.delete(key);
      kept.set(key, picture);
      if (kept.size > most) kept.delete(kept.keys().next().value);
      return picture;
    },
  };
})();

// ---- the clock ----------------------------------------------------------------------------------------------------
const Clock = (() => {
  const followers = [];
  let frame = -1, playing = false, speed = 1, begun = 0, from = 0;
  const tell = () => followers.forEach((follower) => follower(frame, playing));
  const go = (wanted) => {
    const next = Math.min(data.frames - 1, Math.max(0, Math.round(wanted)));
    if (next === frame) return;
    frame = next;
    tell();
  };
  const tick = (now) => {
    if (!playing) return;
    go(Math.floor(from + ((now - begun) / 1000) * data.fps * speed) % data.frames);
    requestAnimationFrame(tick);
  };
  const start = () => { from = frame + 0.001; begun = performance.now(); };
  return {
    follow(follower) { followers.push(follower); follower(frame, playing); },
    get frame() { return frame; },
    get playing() { return playing; },
    go(wanted) { if (playing) { playing = false; } const same = Math.round(wanted) === frame; go(wanted); if (same) tell(); },
    toggle() {
      playing = !playing && data.frames > 1;
      tell();
      if (playing) { if (frame === data.frames - 1) go(0); start(); requestAnimationFrame(tick); }
    },
    set speed(value) { speed = value; if (playing) start(); },
    begin() { go(0); },
  };
})();

// ---- the viewer ---------------------------------------------------------------------------------------------------
const viewer = byId("viewer");
if (viewer) {
  const canvas = byId("frame"), wipe = byId("wipe"), left = byId("left"), right = byId("right");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const LAID_OVER = { objects: 0.62, unobserved: 0.6 };
  let share = 0.5, wanted = 0;

  const names = (layer) => (layer in LAID_OVER ? ["render", layer] : [layer]).filter(Packs.has);
  const paint = (layer, pictures) => {
    const [width, height] = [canvas.width, canvas.height];
    pictures.forEach((picture, index) => {
      const isOver = layer in LAID_OVER && index > 0;
      if (isOver) {
        context.globalAlpha = 0.35;
        context.fillStyle = "#0b0d12";
        context.fillRect(0, 0, width, height);
        context.imageSmoothingEnabled = false;
      }
      context.globalAlpha = isOver ? LAID_OVER[layer] : 1;
      context.drawImage(picture, 0, 0, width, height);
      context.globalAlpha = 1;
      context.imageSmoothingEnabled = true;
    });
  };
  const draw = async () => {
    const ticket = ++wanted, frame = Math.max(0, Clock.frame), layers = [left.value, right.value];
    const pictures = await Promise.all(layers.map((layer) => Promise.all(names(layer).map((name) => Pictures.get(name, frame)))));
    if (ticket !== wanted && !Clock.playing) return; // a later frame was asked for meanwhile
    const [width, height] = [canvas.width, canvas.height];
    paint(layers[1], pictures[1]);
    context.save();
    context.beginPath();
    context.rect(0, 0, Math.round(width * share), height);
    context.clip();
    paint(layers[0], pictures[0]);
    context.restore();
    canvas.dataset.frame = frame;
    if (Clock.playing) for (let ahead = 1; ahead <= 6; ahead++) layers.flatMap(names).forEach((name) => Pictures.get(name, (frame + ahead) % data.frames));
  };
  const legend = () => {
    let any = false;
    for (const part of byId("legend").children) {
      part.hidden = ![left.value, right.value].includes(part.dataset.layer);
      any ||= !part.hidden;
    }
    byId("legend").hidden = !any;
  };
  const move = (value) => {
    share = Math.min(1, Math.max(0, value));
    wipe.style.left = `${100 * share}%`;
    wipe.setAttribute("aria-valuenow", Math.round(100 * share));
    draw();
  };
  const follow = (event) => {
    const box = canvas.getBoundingClientRect();
    move((event.clientX - box.left) / box.width);
  };
  for (const part of [canvas, wipe]) {
    part.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      part.setPointerCapture(event.pointerId);
      follow(event);
      wipe.focus({ preventScroll: true, focusVisible: false });
      event.preventDefault();
    });
    part.addEventListener("pointermove", (event) => { if (part.hasPointerCapture(event.pointerId)) follow(event); });
  }
  wipe.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.2, PageDown: -0.2 }[event.key];
    if (step === undefined) return;
    move(share + step);
    event.preventDefault();
    event.stopPropagation();
  });
  for (const select of [left, right]) select.addEventListener("change", () => { legend(); draw(); });
  Clock.follow((frame) => {
    const unseen = data.unobserved[frame], place = byId("unobserved-share");
    if (place && unseen !== undefined) place.textContent = `${(100 * unseen).toFixed(1)} %`;
    draw();
  });
  legend();
  move(0.5);
}

// ---- transport and keys -------------------------------------------------------------------------------------------
{
  const play = byId("play"), scrub = byId("scrub");
  play.addEventListener("click", () => Clock.toggle());
  byId("previous").addEventListener("click", () => Clock.go(Clock.frame - 1));
  byId("next").addEventListener("click", () => Clock.go(Clock.frame + 1));
  byId("speed").addEventListener("change", (event) => { Clock.speed = Number(event.target.value); });
  scrub.addEventListener("input", () => Clock.go(Number(scrub.value)));
  Clock.follow((frame, playing) => {
    scrub.value = Math.max(0, frame);
    scrub.style.setProperty("--at", data.frames > 1 ? Math.max(0, frame) / (data.frames - 1) : 0);
    byId("readout-frame").textContent = Math.max(0, frame);
    byId("readout-time").textContent = `${(Math.max(0, frame) / data.fps).toFixed(2)} s`;
    play.classList.toggle("on", playing);
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  });
  document.addEventListener("keydown", (event) => {
    const name = event.target.tagName;
    if (event.altKey || event.ctrlKey || event.metaKey || name === "SELECT" || name === "VIDEO" || (name === "INPUT" && event.key !== " ")) return;
    if (event.key === " " && (name === "BUTTON" || name === "SUMMARY" || name === "A")) return;
    const far = event.shiftKey ? 10 : 1;
    const actions = {
      ArrowLeft: () => Clock.go(Clock.frame - far),
      ArrowRight: () => Clock.go(Clock.frame + far),
      Home: () => Clock.go(0),
      End: () => Clock.go(data.frames - 1),
      " ": () => Clock.toggle(),
    };
    if (!(event.key in actions)) return;
    actions[event.key]();
    event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-frame]");
    if (!button) return;
    Clock.go(Number(button.dataset.frame));
    if (button.classList.contains("jump") && viewer) viewer.scrollIntoView({ behavior: "smooth", block: "center" });
  });
}

// ---- keyframes ----------------------------------------------------------------------------------------------------
const strip = byId("strip");
if (strip) {
  const buttons = [...strip.querySelectorAll("button")];
  const fill = (button) => Pictures.get("result", Number(button.dataset.frame)).then((picture) => {
    const canvas = button.querySelector("canvas");
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  });
  const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    seen.unobserve(entry.target);
    fill(entry.target);
  }), { rootMargin: "200px" });
  buttons.forEach((button) => seen.observe(button));
  Clock.follow((frame) => buttons.forEach((button) => button.classList.toggle("on", Number(button.dataset.frame) === frame)));
}

// ---- plots --------------------------------------------------------------------------------------------------------
{
  const text = ({ values, digits }, frame) => ((values[frame] ?? null) === null ? "–" : values[frame].toFixed(digits));
  const cells = [...document.querySelectorAll(".now[data-metric]")].filter((cell) => data.metrics[cell.dataset.metric].values.length);
  const plots = [...document.querySelectorAll(".plot[data-metric]")];
  const cursors = plots.map((plot) => plot.querySelector(".cursor"));
  Clock.follow((frame) => {
    const at = data.frames > 1 ? (1000 * Math.max(0, frame)) / (data.frames - 1) : 0;
    cursors.forEach((cursor) => cursor.setAttribute("transform", `translate(${at} 0)`));
    cells.forEach((cell) => { cell.textContent = text(data.metrics[cell.dataset.metric], Math.max(0, frame)); });
  });
  plots.forEach((plot) => {
    const svg = plot.querySelector("svg");
    const go = (event) => {
      const box = svg.getBoundingClientRect();
      Clock.go(((event.clientX - box.left) / box.width) * (data.frames - 1));
    };
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); go(event); });
    svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) go(event); });
  });
}

// ---- the finished video -------------------------------------------------------------------------------------------
const video = byId("video");
if (video && !matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
Clock.begin();
