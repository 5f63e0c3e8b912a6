// The controls beside the scene.

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** A row of exclusive choices; hidden where there is nothing to choose. */
function fillSegments(fieldset, choices, chosen, onChoose) {
  const focused = fieldset.contains(document.activeElement);
  fieldset.querySelectorAll('label').forEach((label) => label.remove());
  for (const [value, text] of choices) {
    const input = element('input', { type: 'radio', name: fieldset.id, value, checked: value === chosen });
    input.addEventListener('change', () => onChoose(value));
    fieldset.append(element('label', {}, input, element('span', { textContent: text })));
  }
  fieldset.hidden = choices.length < 2;
  if (focused) fieldset.querySelector(':checked')?.focus();
}

function fillChecks(fieldset, choices, chosen, onToggle) {
  const focused = fieldset.contains(document.activeElement) && document.activeElement.value;
  fieldset.querySelectorAll('label').forEach((label) => label.remove());
  for (const [value, text] of choices) {
    const input = element('input', { type: 'checkbox', value, checked: chosen.has(value) });
    input.addEventListener('change', () => onToggle(value));
    fieldset.append(element('label', {}, input, ` ${text}`));
  }
  fieldset.hidden = choices.length === 0;
  if (focused) fieldset.querySelector(`[value=${focused}]`)?.focus();
}

/** The legend: a switch, a colour, the number of voxels and the IoU for each class. */
function fillLegend(layer, counts, scores, hidden, onToggle, onSolo) {
  const focused = document.activeElement?.dataset?.name;
  // The difference has no classes, and noise no score.
  const byClass = scores && layer.names.some((name) => name in scores.class_iou);
  const rows = layer.names.flatMap((name, code) => {
    // A label without a name stands for nothing.
    if (!name) return [];
    const input = element('input', { type: 'checkbox', checked: !hidden.has(name) });
    input.dataset.name = name;
    input.addEventListener('change', () => onToggle(name));
    const swatch = element('span', { className: 'swatch' });
    swatch.style.background = `rgb(${layer.palette[code].join(',')})`;
    const label = element('label', {}, input, swatch, name.replaceAll('_', ' '));
    label.addEventListener('dblclick', () => onSolo(name));
    const score = byClass && name in scores.class_iou ? percent(scores.class_iou[name]) : '';
    const cells = [label, grouped(counts[code]), score].map((content) => element('td', {}, content));
    return [element('tr', { className: counts[code] ? '' : 'absent' }, ...cells)];
  });
  byId('legend').replaceChildren(...rows);
  byId('score-head').textContent = byClass ? 'IoU, %' : '';
  const unit = byClass ? '' : ', %';
  const means = scores
    ? [
        [`mIoU${unit}`, scores.mean_iou],
        [`geometric IoU${unit}`, scores.geometric_iou],
      ]
    : [];
  byId('means').replaceChildren(
    ...means.map(([name, value]) =>
      element('tr', {}, ...[name, '', percent(value)].map((content) => element('td', {}, content))),
    ),
  );
  if (focused) byId('legend').querySelector(`[data-name="${focused}"]`)?.focus();
}

/** A count with commas; toLocaleString would take longer than the whole rest of the panel. */
function grouped(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

function percent(value) {
  return value == null ? '–' : (100 * value).toFixed(1);
}

function notify(text, seconds = 0) {
  const notice = byId('notice');
  notice.textContent = text;
  notice.hidden = !text;
  clearTimeout(notify.timer);
  if (seconds)
    notify.timer = setTimeout(() => {
      notice.hidden = true;
    }, 1000 * seconds);
}
