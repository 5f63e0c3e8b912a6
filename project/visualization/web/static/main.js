// Ties state, scene and controls together.

const PLAY_MILLISECONDS = 500;
const REMEMBER_MILLISECONDS = 150;

// Without WebGL, say, the page would stay empty and silent.
window.addEventListener('error', (event) => notify(event.message));

const state = initialState(location.hash);
const cache = new FrameCache(8);
// The first frame loads while the graphics start.
cache.get(state.scene, manifest.scenes[state.scene][state.place].index).catch(() => {});

const currentScene = () => manifest.scenes[state.scene];
const currentLayer = () => manifest.layers[state.layer];

// What else is on the page decides how large the stage is.
showScene(state.scene);
const stage = new Stage(byId('canvas'), () => remember());
let frame = null;
let playing = 0; // Number of the run of the player, 0 while it pauses.
let runs = 0;

/** Put the state into the page's address; soon, because browsers allow only so many changes a second. */
function remember() {
  state.view = stage.view;
  clearTimeout(remember.timer);
  remember.timer = setTimeout(() => history.replaceState(null, '', stateHash(state)), REMEMBER_MILLISECONDS);
}

/** Load the frame of the state and show it. */
async function showFrame() {
  const wanted = currentScene()[state.place];
  byId('slider').value = state.place;
  byId('place').textContent = `frame ${wanted.index} of ${currentScene()[0].index}–${currentScene().at(-1).index}`;
  const waiting = setTimeout(() => notify('Loading …'), 300);
  try {
    const loaded = await cache.get(state.scene, wanted.index);
    if (wanted !== currentScene()[state.place]) return;
    frame = loaded;
    notify('');
    if (!frame.layers.includes(state.layer)) state.layer = frame.layers.includes('prediction') ? 'prediction' : 'labels';
    if (!frame.masks.includes(state.mask)) state.mask = '';
    byId('title').textContent = `${frame.scene}, frame ${frame.index}`;
    byId('about').textContent = frame.token;
    document.title = `${frame.scene} ${frame.index} · occupancy`;
    showChoices();
    showVoxels();
    OVERLAYS.forEach(showOverlay);
    stage.draw();
    remember();
    document.body.dataset.shown = frame.token;
  } catch (error) {
    notify(error.message);
  } finally {
    clearTimeout(waiting);
    document.body.className = 'ready';
  }
}

function showChoices() {
  const title = (name) => name[0].toUpperCase() + name.slice(1);
  fillSegments(
    byId('layers'),
    frame.layers.map((name) => [name, title(name)]),
    state.layer,
    setLayer,
  );
  const masks = { lidar: 'Observed', camera: 'Camera-visible' };
  fillSegments(byId('masks'), [['', 'All'], ...frame.masks.map((name) => [name, masks[name]])], state.mask, setMask);
  const there = { points: 'points' in frame.arrays, boxes: frame.boxes.length > 0, cameras: frame.cameras.length > 0 };
  const names = { points: 'Lidar', boxes: 'Boxes', cameras: 'Cameras' };
  fillChecks(
    byId('overlays'),
    OVERLAYS.filter((name) => there[name]).map((name) => [name, names[name]]),
    state.overlays,
    toggleOverlay,
  );
}

function showVoxels() {
  const layer = currentLayer();
  const shown = layer.names.map((name) => !state.hidden.has(name));
  const inMask = state.mask ? frame.arrays[`mask_${state.mask}`] : null;
  const counts = stage.voxels.update(frame, frame.arrays[state.layer], layer.palette, shown, inMask);
  fillLegend(layer, counts, frame.scores[state.mask], state.hidden, toggleClass, soloClass);
  stage.redraw();
}

function showOverlay(name) {
  const make = {
    points: () => lidarPoints(frame.arrays.points, frame.grid.voxel_size[0], stage.dark),
    boxes: () => objectBoxes(frame.boxes, manifest.layers.labels.palette),
    cameras: () => cameraFrusta(frame.cameras, () => stage.redraw()),
  };
  const there = name === 'points' ? 'points' in frame.arrays : frame[name].length > 0;
  stage.setPart(name, state.overlays.has(name) && there ? make[name]() : null);
}

function setLayer(name) {
  if (!frame.layers.includes(name)) return;
  state.layer = name;
  showChoices();
  showVoxels();
  remember();
}

function setMask(name) {
  state.mask = name;
  showChoices();
  showVoxels();
  remember();
}

function toggleOverlay(name) {
  if (!state.overlays.delete(name)) state.overlays.add(name);
  showChoices();
  showOverlay(name);
  remember();
}

function toggleClass(name) {
  if (!state.hidden.delete(name)) state.hidden.add(name);
  showVoxels();
  remember();
}

function soloClass(name) {
  currentLayer().names.forEach((other) => state.hidden.add(other));
  state.hidden.delete(name);
  showVoxels();
  remember();
}

function toggleAllClasses() {
  const names = currentLayer().names;
  const anyHidden = names.some((name) => state.hidden.has(name));
  names.forEach((name) => (anyHidden ? state.hidden.delete(name) : state.hidden.add(name)));
  showVoxels();
  remember();
}

function setPlace(place) {
  state.place = (place + currentScene().length) % currentScene().length;
  return showFrame();
}

function setView(name) {
  stage.view = manifest.views[name];
  remember();
}

function moveView(turn, approach) {
  stage.move(turn, approach);
  remember();
}

async function play() {
  const run = playing ? 0 : ++runs;
  playing = run;
  byId('play').textContent = playing ? '❚❚' : '▶';
  byId('play').ariaLabel = playing ? 'Pause' : 'Play';
  while (run && run === playing) {
    const pause = new Promise((resolve) => setTimeout(resolve, PLAY_MILLISECONDS));
    await setPlace(state.place + 1);
    // The next frame loads while this one is looked at.
    const next = currentScene()[(state.place + 1) % currentScene().length];
    cache.get(state.scene, next.index).catch(() => {});
    await pause;
  }
}

async function copyLink() {
  state.view = stage.view;
  const link = new URL(stateHash(state), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    notify('Link copied', 2);
  } catch {
    notify(`Copy this link: ${link}`, 8);
  }
}

function showScene(scene) {
  state.scene = scene;
  byId('scene').value = scene;
  byId('slider').max = currentScene().length - 1;
  byId('player').hidden = currentScene().length < 2;
}

function start() {
  const scenes = Object.keys(manifest.scenes);
  byId('scene').append(...scenes.map((name) => element('option', { value: name, textContent: name })));
  byId('scene').value = state.scene;
  byId('scene').hidden = scenes.length < 2;
  byId('scene').addEventListener('change', (event) => {
    showScene(event.target.value);
    setPlace(0);
  });
  byId('slider').addEventListener('input', (event) => setPlace(Number(event.target.value)));
  byId('play').addEventListener('click', play);
  byId('follow').addEventListener('click', () => setView('follow'));
  byId('above').addEventListener('click', () => setView('above'));
  byId('link').addEventListener('click', copyLink);
  byId('all').addEventListener('click', toggleAllClasses);
  window.addEventListener('keydown', onKey);
  window.addEventListener('click', onClick);
  window.addEventListener('hashchange', () => {
    Object.assign(state, initialState(location.hash));
    showScene(state.scene);
    stage.view = state.view;
    showFrame();
  });
  stage.view = state.view;
  // Voxels need not wait for the shader of the car.
  showFrame().then(() => stage.setPart('ego', egoCar(manifest.ego_car)));
}

start();
