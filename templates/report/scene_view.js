// The scene in 3D. three.js is unpacked and started when the view comes into sight, or is tapped.
const sceneView = document.getElementById("view");
if (sceneView && data.view) {
  const byName = (name) => document.getElementById(`view-${name}`);
  const state = { started: false, through: false };

  const fail = (why) => {
    byName("start").hidden = true;
    byName("error").hidden = false;
    byName("error").textContent = `The 3D view could not be started here: ${why}`;
  };

  const program = async () => {
    const source = await Packs.unpacked("three");
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    await new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = () => failed(new Error("its program was not accepted"));
      document.head.append(script);
    });
    URL.revokeObjectURL(address);
    return globalThis.THREE_VIEW;
  };

  const start = async () => {
    if (state.started) return;
    state.started = true;
    byName("start").classList.add("busy");
    try {
      if (!("DecompressionStream" in globalThis)) throw new Error("the browser is too old to unpack it");
      const three = await program();
      show(three, await new three.GLTFLoader().parseAsync(await Packs.unpacked("glb"), ""));
      byName("start").remove();
      byName("bar").hidden = false;
      sceneView.dataset.ready = "true";
    } catch (error) {
      fail(error.message);
    }
  };

  const show = (three, model) => {
    const renderer = new three.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
    renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    sceneView.prepend(renderer.domElement);
    const world = new three.Scene();
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const backdrop = () => { world.background = new three.Color(dark.matches ? 0x1a1f28 : 0xdfe3e8); };
    backdrop();
    world.add(model.scene, new three.AmbientLight(0xffffff, 1.6));
    const sun = new three.DirectionalLight(0xffffff, 1.8);
    sun.position.set(1, 3, 2);
    world.add(sun);

    const poses = data.view.cameras.map(({ pose }) => new three.Matrix4().fromArray(pose));
    const places = poses.map((pose) => new three.Vector3().setFromMatrixPosition(pose));
    const about = new three.Vector3().fromArray(data.view.about);
    const reach = Math.max(0.1, places[0].distanceTo(about));
    const path = drawnPath(three, poses, places, reach);
    world.add(path.group);

    const mixer = new three.AnimationMixer(model.scene);
    model.animations.forEach((clip) => mixer.clipAction(clip).play());

    const orbit = new three.PerspectiveCamera(40, data.size[0] / data.size[1], reach / 500, reach * 40);
    const controls = new three.OrbitControls(orbit, renderer.domElement);
    controls.enableDamping = false;
    controls.maxDistance = reach * 8;
    // The wheel scrolls the page until the view is taken hold of.
    controls.enableZoom = false;
    renderer.domElement.addEventListener("pointerdown", () => { controls.enableZoom = true; }, { capture: true });
    sceneView.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") controls.enableZoom = false; });
    const reset = () => {
      // From beside and above the source camera, as close as keeps its way and what it looks at in sight.
      const up = new three.Vector3(0, 1, 0);
      const away = places[0].clone().sub(about).setY(0).normalize().applyAxisAngle(up, -0.75).setY(0.42).normalize();
      const wanted = [...places, ...path.outline, about];
      const box = new three.Box3().setFromPoints(wanted);
      box.getCenter(controls.target);
      const side = new three.Vector3().crossVectors(up, away).normalize(), upwards = new three.Vector3().crossVectors(away, side);
      const tall = Math.tan((orbit.fov * Math.PI) / 360), wide = tall * orbit.aspect;
      const distance = Math.max(...wanted.map((point) => {
        const from = point.clone().sub(controls.target);
        return from.dot(away) + 1.12 * Math.max(Math.abs(from.dot(side)) / wide, Math.abs(from.dot(upwards)) / tall);
      }));
      orbit.position.copy(controls.target).addScaledVector(away, distance);
      controls.update();
    };
    const { width: startWidth, height: startHeight } = sceneView.getBoundingClientRect();
    orbit.aspect = startWidth / startHeight;
    reset();

    const through = new three.PerspectiveCamera();
    through.matrixAutoUpdate = false;
    const lookThrough = (frame) => {
      const [fx, fy, cx, cy] = data.view.cameras[frame].lens, [width, height] = data.size;
      const near = reach / 2000, far = reach * 40;
      through.projectionMatrix.set(
        (2 * fx) / width, 0, 1 - (2 * cx) / width, 0,
        0, (2 * fy) / height, (2 * cy) / height - 1, 0,
        0, 0, -(far + near) / (far - near), (-2 * far * near) / (far - near),
        0, 0, -1, 0);
      through.projectionMatrixInverse.copy(through.projectionMatrix).invert();
      through.matrix.copy(poses[frame]);
      through.matrixWorldNeedsUpdate = true;
      through.updateMatrixWorld(true);
    };

    let waiting = false;
    const render = () => {
      waiting = false;
      const frame = Math.max(0, Math.min(poses.length - 1, Clock.frame));
      mixer.setTime(0);
      mixer.setTime(data.view.start_s + frame / data.fps);
      path.at(frame);
      path.group.visible = !state.through && byName("path").getAttribute("aria-pressed") === "true";
      if (state.through) lookThrough(frame);
      renderer.render(world, state.through ? through : orbit);
      sceneView.dataset.frame = frame;
      sceneView.dataset.through = state.through;
    };
    const ask = () => { if (!waiting) { waiting = true; requestAnimationFrame(render); } };
    const fit = () => {
      const { width, height } = sceneView.getBoundingClientRect();
      renderer.setSize(width, height);
      orbit.aspect = width / height;
      orbit.updateProjectionMatrix();
      ask();
    };
    new ResizeObserver(fit).observe(sceneView);
    controls.addEventListener("change", ask);
    dark.addEventListener("change", () => { backdrop(); ask(); });
    Clock.follow(ask);
    byName("camera").addEventListener("click", (event) => {
      state.through = !state.through;
      event.currentTarget.setAttribute("aria-pressed", state.through);
      controls.enabled = !state.through;
      ask();
    });
    byName("path").addEventListener("click", (event) => {
      const button = event.currentTarget;
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      ask();
    });
    byName("reset").addEventListener("click", () => {
      state.through = false;
      controls.enabled = true;
      byName("camera").setAttribute("aria-pressed", "false");
      reset();
      ask();
    });
    fit();
  };

  const drawnPath = (three, poses, places, reach) => {
    const group = new three.Group(), size = reach * 0.065;
    const line = (points, colour, kind = three.LineSegments) => {
      const geometry = new three.BufferGeometry();
      geometry.setAttribute("position", new three.Float32BufferAttribute(points, 3));
      return new kind(geometry, new three.LineBasicMaterial({ color: colour, toneMapped: false }));
    };
    const corners = (frame) => {
      const [fx, fy, cx, cy] = data.view.cameras[frame].lens, [width, height] = data.size;
      return [[0, 0], [width, 0], [width, height], [0, height]].map(([x, y]) => [((x - cx) / fx) * size, (-(y - cy) / fy) * size, -size]);
    };
    const frustum = (frame) => {
      const four = corners(frame), points = [];
      four.forEach((corner, index) => points.push(0, 0, 0, ...corner, ...corner, ...four[(index + 1) % 4]));
      return points;
    };
    const placed = (frame, colour) => {
      const drawn = line(frustum(frame), colour);
      drawn.matrixAutoUpdate = false;
      drawn.matrix.copy(poses[frame]);
      return drawn;
    };
    if (places.length > 1) group.add(line(places.flatMap((place) => place.toArray()), 0xff7a33, three.Line));
    data.keyframes.filter((frame) => frame < poses.length).forEach((frame) => group.add(placed(frame, 0x8a93a3)));
    const now = placed(0, 0xff7a33);
    group.add(now);
    return {
      group,
      // The middle of what the first camera sees, where the objects are.
      outline: corners(0).map(([x, y, z]) => new three.Vector3(x * 0.8, y * 0.8, z).multiplyScalar(reach / size).applyMatrix4(poses[0])),
      at(frame) {
        now.geometry.setAttribute("position", new three.Float32BufferAttribute(frustum(frame), 3));
        now.matrix.copy(poses[frame]);
        now.matrixWorldNeedsUpdate = true;
      },
    };
  };

  byName("start").addEventListener("click", start);
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }, { threshold: 0.25 }).observe(sceneView);
}
