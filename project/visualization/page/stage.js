// The 3D scene, its camera and the drawing of it, which happens only when something changed.

class Stage {
  constructor(canvas, onMove) {
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.dark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(this.dark ? 0x1d2128 : 0xf5f6f8);
    this.camera = new THREE.PerspectiveCamera(46, 1, 0.3, 1000);
    this.camera.up.set(0, 0, 1);
    this.controls = new THREE.OrbitControls(this.camera, canvas);
    this.controls.zoomToCursor = true;
    this.controls.addEventListener('change', () => this.redraw());
    this.controls.addEventListener('end', onMove);
    this.voxels = new Voxels();
    this.parts = {};
    this.scene.add(this.voxels.mesh);
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
    const { clientWidth, clientHeight } = this.renderer.domElement.parentElement;
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / Math.max(1, clientHeight);
    this.camera.updateProjectionMatrix();
    this.redraw();
  }

  redraw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.renderer.render(this.scene, this.camera);
    });
  }
}
