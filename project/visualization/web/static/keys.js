// The keyboard; the panel's list of keys says the same.

const OVERLAY_KEYS = { p: 'points', b: 'boxes', c: 'cameras' };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !frame || isOwnKey(event.target, event.key)) return;
  const key = event.key.toLowerCase();
  const masks = ['', ...frame.masks];
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
  const layer = frame.layers[key - 1];
  const action =
    actions[key] ??
    (layer && (() => setLayer(layer))) ??
    (OVERLAY_KEYS[key] && (() => toggleOverlay(OVERLAY_KEYS[key])));
  if (!action) return;
  event.preventDefault();
  action();
}

/** Whether the control in focus has a use of its own for a key. */
function isOwnKey(control, key) {
  if (key === ' ') return control.matches('button, summary, select, [type=checkbox]');
  return control.matches('select') || (key.startsWith('Arrow') && control.matches('[type=radio]'));
}

/** A mouse leaves no focus behind: keys after a click are meant for the scene. */
function onClick(event) {
  if (event.detail && !event.target.matches('select')) document.activeElement.blur();
}
