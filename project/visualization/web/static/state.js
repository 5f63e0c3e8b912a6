// What the page shows, and the link that restores it.

const OVERLAYS = ['points', 'boxes', 'cameras'];

/** First state: of a link where there is one, else of the first frame. */
function initialState(hash) {
  const link = new URLSearchParams(hash.slice(1));
  const scenes = Object.keys(manifest.scenes);
  const scene = scenes.includes(link.get('scene')) ? link.get('scene') : manifest.scene;
  const place = manifest.scenes[scene].findIndex((frame) => frame.token === link.get('frame'));
  const view = (link.get('view') ?? '').split(',').map(Number);
  return {
    scene,
    place: Math.max(0, place),
    layer: link.get('layer') ?? '',
    mask: link.get('mask') ?? '',
    hidden: new Set(link.get('hide')?.split(',') ?? []),
    overlays: new Set(
      link
        .get('show')
        ?.split(',')
        .filter((name) => OVERLAYS.includes(name)) ?? [],
    ),
    view: view.length === 6 && view.every(Number.isFinite) ? view : manifest.views.follow,
  };
}

/** The part of a link after the #. */
function stateHash(state) {
  const link = new URLSearchParams();
  link.set('scene', state.scene);
  link.set('frame', manifest.scenes[state.scene][state.place].token);
  link.set('layer', state.layer);
  if (state.mask) link.set('mask', state.mask);
  if (state.hidden.size) link.set('hide', [...state.hidden].join(','));
  if (state.overlays.size) link.set('show', [...state.overlays].join(','));
  link.set('view', state.view.map((number) => number.toFixed(3)).join(','));
  return `#${link}`;
}
