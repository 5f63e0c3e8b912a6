// The 3D scene, its camera and the drawing of it, which happens only when something changed.

/** Edges are drawn smooth after so long without a change: a renderer in software takes more than twice as long then. */
const REST_MILLISECONDS = 300;
/** Light enough for black noise and dark purple sidewalks to stand out. */
const DARK_GROUND = 0x4b525e;

class Stage {
  constructor(canvas, onMove) {
    // A later change of size would make all buffers anew.
    [canvas.width, canvas.height] = sizeInPixels(canvas);
    // Colours are given as they are shown.
    THREE.ColorManagement.enabled = false;
    this.renderer = new THREE.WebGLRenderer({ canvas, preserveDrawingBuffer: true });
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    // To ask for errors is to wait until the shaders are compiled.
    this.renderer.debug.checkShaderErrors = false;
    this.dark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(this.dark ? DARK_GROUND : 0xf5f6f8);
    this.camera = new THREE.PerspectiveCamera(46, canvas.width / canvas.height, 0.3, 1000);
    this.camera.up.set(0, 0, 1);
    this.controls = new THREE.OrbitControls(this.camera, canvas);
    this.controls.zoomToCursor = true;
    this.controls.addEventListener('change', () => this.redraw());
    this.controls.addEventListener('end', onMove);
    this.smooth = new THREE.WebGLRenderTarget(canvas.width, canvas.height, { samples: 4 });
    this.copy = new THREE.Mesh(pictureGeometry(SCREEN), picturePaint(this.smooth.texture));
    this.voxels = new Voxels();
    this.parts = {};
    this.scene.add(this.voxels.mesh);
    // Shaders compile while the first frame loads, and nothing is drawn before that is there.
    this.renderer.compile(this.scene, this.camera);
    this.renderer.getContext().flush();
    this.pending = true;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }

  /** Put an overlay in the place of the one of that name; null takes it away. */
  setPart(name, object) {
    if (this.parts[name]) {
      this.scene.remove(this.parts[name]);
      disposeAll(this.parts[name]);
    }
    this.parts[name] = object;
    if (object) this.scene.add(object);
    this.redraw();
  }

  get view() {
    return [...this.camera.position.toArray(), ...this.controls.target.toArray()];
  }

  set view(numbers) {
    this.camera.position.fromArray(numbers);
    this.controls.target.fromArray(numbers, 3);
    this.controls.update();
    this.redraw();
  }

  /** Turn around the target (radians) and change the distance to it, for the keyboard. */
  move(turn, approach) {
    const { position } = this.camera,
      { target } = this.controls;
    position.sub(target).applyAxisAngle(this.camera.up, turn).multiplyScalar(approach).add(target);
    this.controls.update();
    this.redraw();
  }

  resize() {
    const canvas = this.renderer.domElement;
    const [width, height] = sizeInPixels(canvas);
    if (width === canvas.width && height === canvas.height) return;
    this.renderer.setSize(width, height, false);
    this.smooth.setSize(width, height);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = null;
    this.renderer.render(this.scene, this.camera);
    this.renderer.domElement.dataset.edges = 'rough';
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.drawSmooth(), REST_MILLISECONDS);
  }

  drawSmooth() {
    this.renderer.setRenderTarget(this.smooth);
    this.renderer.render(this.scene, this.camera);
    this.renderer.setRenderTarget(null);
    this.renderer.render(this.copy, new THREE.Camera());
    this.renderer.domElement.dataset.edges = 'smooth';
  }
}

/** Corners of the whole picture, for a camera without projection. */
const SCREEN = [[-1, 1], [1, 1], [-1, -1], [1, -1]].map(([x, y]) => new THREE.Vector3(x, y, 0));

function sizeInPixels(canvas) {
  const ratio = Math.min(window.devicePixelRatio, 2);
  return [canvas.clientWidth, canvas.clientHeight].map((length) => Math.max(1, Math.floor(ratio * length)));
}
