// Asks the evaluator many questions at once, and writes down what it says.

/** @param {string} source the module's text */
window.load = async (...sources) => {
  const imported = (source) => import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  [window.evaluator, window.compiler] = await Promise.all(sources.map(imported));
};

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Numbers bit by bit; not-a-number has many patterns, of which one is written. */
function written(array) {
  let text = "";
  const numbers = Float64Array.from(array, (number) => (number === number ? number : NaN));
  for (const byte of new Uint8Array(numbers.buffer)) text += String.fromCharCode(byte);
  return btoa(text);
}

function tensor({ data, shape, type }) {
  const { buffer } = bytesOf(data);
  const numbers = type === "<f4" ? new Float32Array(buffer) : new Float64Array(buffer);
  return { data: numbers, origin: shape.map(() => 0), shape, whole: shape };
}

/** The part of a tensor that lies in a box. */
function cut({ data, shape }, box) {
  const sizes = box.map(([first, last]) => last - first + 1);
  const part = new data.constructor(sizes.reduce((a, b) => a * b, 1));
  const place = sizes.map(() => 0);
  for (let n = 0; n < part.length; n++) {
    part[n] = data[place.reduce((flat, p, d) => flat * shape[d] + box[d][0] + p, 0)];
    for (let d = place.length - 1; d >= 0 && ++place[d] === sizes[d]; d--) place[d] = 0;
  }
  return { data: part, origin: box.map(([first]) => first), shape: sizes, whole: shape };
}

function writtenLedger(found) {
  const { groups, readings } = found;
  return {
    ...found,
    numbers: written([found.value, found.preactivation, found.bias ?? 0]),
    hasBias: found.bias !== null,
    readings: readings.map(({ name, index, role }) => [name, index, role]),
    read: written(readings.map(({ value }) => value)),
    groups: groups && {
      ...groups,
      channels: [...groups.channels],
      places: [...groups.places],
      inside: [...groups.inside],
      windows: written(groups.windows),
      kernels: groups.kernels && written(groups.kernels),
      products: groups.products && written(groups.products),
      partials: written(groups.partials),
    },
  };
}

/** For every case and position: the value, the ledger, the windows, and the same from the windows alone. */
window.ask = (text) => {
  const { evaluate, needs, ledger } = window.evaluator;
  const answers = JSON.parse(text).map(({ equation, tensors, positions }) => {
    const values = Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, tensor(t)]));
    return positions.map((position) => {
      try {
        const boxes = needs(equation, position);
        const part = Object.fromEntries(Object.entries(boxes).map(([n, box]) => [n, cut(values[n], box)]));
        return {
          value: written([evaluate(equation, position, values)]),
          ledger: writtenLedger(ledger(equation, position, values)),
          boxes,
          partValue: written([evaluate(equation, position, part)]),
          partLedger: writtenLedger(ledger(equation, position, { ...part })),
        };
      } catch (error) {
        return { error: String(error) };
      }
    });
  });
  return JSON.stringify(answers);
};

/** The values of an equation with one axis, all along it. */
window.along = (text) => {
  const { equation, tensors } = JSON.parse(text);
  const values = Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, tensor(t)]));
  const count = equation.index[equation.axes[0]].size;
  return written(Array.from({ length: count }, (_, n) => window.evaluator.evaluate(equation, [n], values)));
};

/** Numbers as text, in every way there is. */
window.texts = (data) => {
  const { decimal, exact, scientific } = window.evaluator;
  const values = new Float64Array(bytesOf(data).buffer);
  return JSON.stringify(
    Array.from(values, (v) => [decimal(v, 4), decimal(v), decimal(v, 0), exact(v), scientific(v)]),
  );
};

window.columns = (text) =>
  JSON.stringify(
    JSON.parse(text).map(([values, total, digits]) => {
      const found = window.evaluator.addingUp(values, total, digits);
      return [found.texts, found.total];
    }),
  );

/** For every case the numbers of the whole output, from the compiled equation; or why there are none. */
window.compileAll = async (text) => {
  const answers = [];
  for (const { equation, tensors } of JSON.parse(text)) {
    try {
      const given = Object.fromEntries(Object.entries(tensors).map(([name, one]) => [name, tensor(one)]));
      const shapes = Object.fromEntries(Object.entries(given).map(([name, { shape }]) => [name, shape]));
      const { text: code, tensors: names, shape } = window.compiler.compiled(equation, shapes);
      const source = `const errorFunction = ${window.compiler.errorFunction};\nexport default ${code};`;
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const { default: run } = await import(url);
      URL.revokeObjectURL(url);
      answers.push({ shape, numbers: written(run(...names.map((name) => given[name]?.data))) });
    } catch (error) {
      answers.push({ error: `${error}` });
    }
  }
  return answers;
};
