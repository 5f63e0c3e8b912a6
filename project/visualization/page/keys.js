// The keyboard; the panel's list of keys says the same.

const LAYER_KEYS = { 1: 'truth', 2: 'prediction', 3: 'difference' };
const OVERLAY_KEYS = { p: 'points', b: 'boxes', c: 'cameras' };

function onKey(event) {
  // Some controls have arrow keys of their own.
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('select, [type=range], [type=radio]'))
    return;
  const key = event.key.toLowerCase();
  const masks = frame ? ['', ...frame.masks] : [''];
  const actions = {
    ' ': play,
    arrowleft: () => setPlace(state.place - 1),
    arrowright: () => setPlace(state.place + 1),
    m: () => setMask(masks[(masks.indexOf(state.mask) + 1) % masks.length]),
    f: () => setView('follow'),
    t: () => setView('above'),
    a: toggleAllClasses,
    ',': () => moveView(-0.1, 1),
    '.': () => moveView(0.1, 1),
    '+': () => moveView(0, 0.9),
    '-': () => moveView(0, 1.1),
  };
  const action =
    actions[key] ??
    (LAYER_KEYS[key] && (() => setLayer(LAYER_KEYS[key]))) ??
    (OVERLAY_KEYS[key] && (() => toggleOverlay(OVERLAY_KEYS[key])));
  if (!action || !frame || (key === ' ' && event.target.matches('button, input, summary'))) return;
  event.preventDefault();
  action();
}
