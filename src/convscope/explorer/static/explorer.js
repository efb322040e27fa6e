/**
 * The explorer: one ES module for a page, a notebook and a file on its own.
 *
 * `render({ model, el })` is anywidget's contract. The module draws a network, asks its host for numbers
 * through `model` (see `Link`), and works out the arithmetic of any number itself, from the layer's equation.
 *
 * Chapters: evaluating equations · numbers as text · elements · asking the host · the network and its
 * numbers · where we are · colours and maps · the page's frame · the stack · the microscope · mental models ·
 * what if · input · keys · render.
 */

// == The evaluator ================================================================================
//
// The value, the ledger and the windows of any layer, from its equation's JSON (notation/serial.py says what it
// holds) and the numbers it reads: notation/evaluation.py and notation/ledger.py over again, in float64. It knows
// the language of equations and no layer: what a convolution is, and how it is taken apart, it reads in the JSON.
//
// Every expression is compiled once, to a closure over `at`, the position along each axis; numbers are read where
// they lie. Values that the equation defines on the way (locals: the mean of a normalisation) are computed once for
// each `values` object, so new numbers need a new object.

/** @typedef {number | string | null} Size  a number; a symbol's text or null where it is none yet */
/** @typedef {number | {op: "floor" | "mod" | "exact", of: IndexJson, by: Size}} AtomJson */
/** @typedef {{terms: [AtomJson, Size][], const: Size}} IndexJson */
/** @typedef {"zero" | "-inf" | "skip" | "edge"} Outside */
/** @typedef {{read: string, at: IndexJson[], padding?: [Size, Size][], outside?: Outside}} ReadJson */
/** @typedef {"sum" | "max" | "mean"} Kind */
/** @typedef {{reduce: Kind, over: number[], body: ExpressionJson}} ReductionJson */
/** @typedef {{along: number, ends: Size[], pieces: ExpressionJson[]}} PiecesJson */
/** @typedef {{op: "+" | "-" | "*" | "/", args: ExpressionJson[]} | {call: string, args: ExpressionJson[]}} CallJson */
/** @typedef {{number: number | string} | ReadJson | CallJson | ReductionJson | PiecesJson} ExpressionJson */
/** @typedef {string | number | any[]} FormulaJson  ["max", "x", 0]: a function, and formulas */
/** @typedef {{name: string, axes: number[], expression: ExpressionJson}} LocalJson */
/**
 * @typedef {{reduce: Kind, over: number | null, window: number[], read: ReadJson, weights: ReadJson[],
 *   channel: number | null}} MainJson
 * @typedef {{axes: number[], preactivation: ExpressionJson, activation: string[], whole: boolean,
 *   main: MainJson | null, added: ExpressionJson[], listed_axes: number[], listed: ExpressionJson[]}} LedgerJson
 * @typedef {{name: string, text: string, axes: number[], expression: ExpressionJson, locals: LocalJson[],
 *   tensors: Record<string, {role: "input" | "weight", shape: Size[] | null}>,
 *   index: {name: string, size: Size, word: string}[],
 *   functions: Record<string, {parameters: string[], formula: FormulaJson}>, ledger: LedgerJson}} EquationJson
 */
/**
 * @typedef {object} Patch  part of a tensor, or all of it
 * @property {Float32Array | Float64Array} data  in C order
 * @property {number[]} origin  where it starts, along each axis
 * @property {number[]} shape  its own shape
 * @property {number[]} whole  the shape of the whole tensor
 */
/** @typedef {Record<string, Patch>} Values */
/** @typedef {[number, number][]} Box  (first, last) along each axis */
/** @typedef {ArrayLike<number>} Position */
/** @typedef {() => number} Numeric */
/**
 * What notation/ledger.py says, field by field. What is per term lies in C order over (group, ...sizes): `places`
 * (where it reads, `rank` indices each), `windows`, `inside`, `kernels`, `products`. `channel` is the index that says
 * the channel.
 * @typedef {{name: string, index: number[], value: number, role: "input" | "weight" | "local"}} Reading
 * @typedef {{tensor: string, count: number, axes: string[], sizes: number[], rank: number, channel: number | null,
 *   channels: Int32Array, places: Int32Array, windows: Float64Array, inside: Uint8Array,
 *   kernels: Float64Array | null, products: Float64Array | null, partials: Float64Array,
 *   corners: number[][]}} Groups
 * @typedef {{position: number[], value: number, preactivation: number, bias: number | null, terms: number,
 *   reduction: Kind | null, activation: string[], whole: boolean, readings: Reading[],
 *   groups: Groups | null}} Ledger
 */

/**
 * Return the number at one position; `values` holds every tensor that `needs` names, or the part it asks for.
 * @param {EquationJson} equation @param {Position} position @param {Values} values
 */
export function evaluate(equation, position, values) {
  return programAt(equation, position, values).value(equation.expression);
}

/**
 * Return the number at one position taken apart; `values` are as for `evaluate`.
 * @param {EquationJson} equation @param {Position} position @param {Values} values @returns {Ledger}
 */
export function ledger(equation, position, values) {
  const { axes, preactivation, activation, whole, main, added, listed_axes, listed } = equation.ledger;
  const program = programAt(equation, position, values);
  const value = program.value(equation.expression);
  program.stand(axes, position);
  const before = activation.length || whole ? program.value(preactivation) : value;
  const bias = added.length ? added.reduce((sum, part) => sum + program.value(part), 0) : null;
  const groups = main && program.groups(main);
  program.stand(listed_axes, position);
  return {
    position: Array.from(position),
    value,
    preactivation: before,
    bias,
    terms: groups ? groups.windows.length : 0,
    reduction: main && main.reduce,
    activation,
    whole,
    readings: listed.flatMap((part) => [...program.readings(part).values()]),
    groups,
  };
}

/**
 * Return which box of each tensor the number at one position is made from. Inputs' boxes are clipped to the tensor;
 * a tensor of which nothing is read is absent.
 * @param {EquationJson} equation @param {Position} position @returns {Record<string, Box>}
 */
export function needs(equation, position) {
  placed(equation, position);
  const locals = new Map(equation.locals.map((item) => [item.name, item]));
  /** @type {Map<string, Box>} */
  const boxes = new Map();
  const followed = new Set(); // locals with their boxes, so that none is gone through twice

  /** @type {(node: ExpressionJson, ranges: Box) => void} `ranges` is where each axis runs */
  const visit = (node, ranges) => {
    if ("args" in node) node.args.forEach((part) => visit(part, ranges));
    else if ("read" in node) read(node, node.at.map((index) => bounds(index, ranges)), ranges);
    else if ("reduce" in node) {
      visit(node.body, moved(ranges, node.over, node.over.map((axis) => [0, sizeOf(equation, axis) - 1])));
    } else if ("pieces" in node) {
      const [low, high] = ranges[node.along];
      node.pieces.forEach((piece, n) => {
        const first = Math.max(low, n ? known(node.ends[n - 1]) : 0);
        const last = Math.min(high, known(node.ends[n]) - 1);
        if (first <= last) visit(piece, moved(ranges, [node.along], [[first, last]]));
      });
    }
  };

  /** @type {(node: ReadJson, box: Box, ranges: Box) => void} */
  const read = (node, box, ranges) => {
    const local = locals.get(node.read);
    if (local) {
      const key = JSON.stringify([node.read, box]);
      if (!followed.has(key)) visit(local.expression, moved(ranges, local.axes, box));
      followed.add(key);
      return;
    }
    if (box.some(([first, last]) => last < first)) return; // no division comes out whole
    const { role, shape } = equation.tensors[node.read];
    if (role === "input" && shape) {
      const sizes = shape.map(known);
      const beyond = box.some(([first, last], d) => last < 0 || first >= sizes[d]);
      if (beyond && node.padding && node.outside !== "edge") return; // nothing but border
      box = box.map(([first, last], d) => [clipped(first, sizes[d]), clipped(last, sizes[d])]);
    }
    const old = boxes.get(node.read) || box;
    boxes.set(
      node.read,
      box.map(([first, last], d) => [Math.min(first, old[d][0]), Math.max(last, old[d][1])]),
    );
  };

  visit(equation.expression, moved([], equation.axes, Array.from(position, (place) => [place, place])));
  return Object.fromEntries(boxes);
}

/** Ranges with some axes moved. @param {Box} ranges @param {number[]} axes @param {Box} to */
function moved(ranges, axes, to) {
  const found = ranges.slice();
  axes.forEach((axis, n) => (found[axis] = to[n]));
  return found;
}

/**
 * The lowest and highest value of an index; exact where it is affine.
 * @param {IndexJson} index @param {Box} ranges @returns {[number, number]}
 */
function bounds(index, ranges) {
  let first = known(index.const);
  let last = first;
  for (const [atom, size] of index.terms) {
    const factor = known(size);
    let [a, b] = typeof atom === "number" ? ranges[atom] : bounds(atom.of, ranges);
    if (typeof atom !== "number") {
      const by = known(atom.by);
      const [below, above] = [Math.floor(a / by), Math.floor(b / by)];
      if (atom.op === "floor") [a, b] = [below, above];
      else if (atom.op === "exact") [a, b] = [Math.ceil(a / by), above];
      else if (below === above) [a, b] = [modulo(a, by), modulo(b, by)];
      else [a, b] = [0, by - 1];
    }
    first += factor * (factor < 0 ? b : a);
    last += factor * (factor < 0 ? a : b);
  }
  return [first, last];
}

/** @param {EquationJson} equation @param {Position} position */
function placed(equation, position) {
  const { axes, index } = equation;
  const text = Array.from(position).join(", ");
  if (position.length !== axes.length) {
    throw new RangeError(`(${text}) has ${position.length} places; ${equation.name} has ${axes.length}`);
  }
  axes.forEach((axis, n) => {
    const { name, size } = index[axis];
    if (!Number.isInteger(position[n]) || position[n] < 0 || (typeof size === "number" && position[n] >= size)) {
      throw new RangeError(`(${text}) is not in ${equation.name}: axis ${name} has ${size}`);
    }
  });
}

/** A size that has to be a number. @param {Size} size */
function known(size) {
  if (typeof size === "number") return size;
  throw new RangeError(`this cannot be computed before ${size === null ? "a size" : size} is a number`);
}

/** @param {EquationJson} equation @param {number} axis */
const sizeOf = (equation, axis) => known(equation.index[axis].size);

/** @param {number[]} sizes */
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

/** @param {number} place @param {number} size */
const clipped = (place, size) => Math.min(Math.max(place, 0), size - 1);

/** @param {number} value @param {number} by */
const modulo = (value, by) => value - by * Math.floor(value / by);

/** @type {WeakMap<EquationJson, Program>} */
const PROGRAMS = new WeakMap();

/** @param {EquationJson} equation @param {Position} position @param {Values} values */
function programAt(equation, position, values) {
  placed(equation, position);
  const program = PROGRAMS.get(equation) || new Program(equation);
  PROGRAMS.set(equation, program);
  for (const tensor of program.tensors.values()) tensor.bind(values);
  program.stand(equation.axes, position);
  return program;
}

/** An equation as closures over `at`, made when they are first asked for. */
class Program {
  /** @param {EquationJson} equation */
  constructor(equation) {
    this.equation = equation;
    this.at = new Int32Array(equation.index.length);
    /** @type {Map<string, Source | Local>} */
    this.tensors = new Map();
    for (const [name, tensor] of Object.entries(equation.tensors)) this.tensors.set(name, new Source(name, tensor));
    for (const item of equation.locals) this.tensors.set(item.name, new Local(this, item));
    /** @type {Map<ExpressionJson, Numeric>} */
    this.compiled = new Map();
    /** @type {Map<ReadJson, Read>} */
    this.reads = new Map();
  }

  /** @param {number[]} axes @param {Position} position */
  stand(axes, position) {
    for (let n = 0; n < axes.length; n++) this.at[axes[n]] = position[n];
  }

  /**
   * Return what `ask` finds with some axes elsewhere; they are put back.
   * @template T @param {number[]} axes @param {Position} places @param {() => T} ask
   */
  elsewhere(axes, places, ask) {
    const before = axes.map((axis) => this.at[axis]);
    this.stand(axes, places);
    const found = ask();
    this.stand(axes, before);
    return found;
  }

  /** The number that an expression has here. @param {ExpressionJson} node */
  value(node) {
    let found = this.compiled.get(node);
    if (!found) this.compiled.set(node, (found = this.compile(node)));
    return found();
  }

  /** @param {ReadJson} node */
  read(node) {
    let found = this.reads.get(node);
    if (!found) this.reads.set(node, (found = new Read(this, node)));
    return found;
  }

  /** @param {ExpressionJson} node @returns {Numeric} */
  compile(node) {
    if ("number" in node) {
      const value = Number(String(node.number).replace("inf", "Infinity"));
      return () => value;
    }
    if ("read" in node) {
      const read = this.read(node);
      return () => read.value();
    }
    if ("reduce" in node) return this.reduction(node);
    if ("pieces" in node) {
      const { at } = this;
      const ends = node.ends.map(known);
      const pieces = node.pieces.map((piece) => this.compile(piece));
      return () => pieces[ends.findIndex((end) => at[node.along] < end)]();
    }
    const args = node.args.map((part) => this.compile(part));
    if ("op" in node) return primitive(OPERATORS[node.op], args);
    const own = this.equation.functions[node.call];
    if (!own) return primitive(node.call, args);
    /** @type {Record<string, number>} */
    const given = {};
    const body = formula(own.formula, given);
    return () => {
      for (let n = 0; n < args.length; n++) given[own.parameters[n]] = args[n]();
      return body();
    };
  }

  /** @param {ReductionJson} node @returns {Numeric} */
  reduction({ reduce: kind, over, body }) {
    const { at } = this;
    const sizes = over.map((axis) => sizeOf(this.equation, axis));
    const along = over[over.length - 1];
    const length = sizes[over.length - 1] ?? 1;
    const rows = product(sizes) / length;
    const term = this.compile(body);
    const skipping = kind === "mean" ? readsIn(body).map((node) => this.read(node)).find((read) => read.skips) : null;
    const factors = factorsOf(body);
    const reads = factors.flatMap((part) => ("read" in part ? this.read(part) : [])).filter((read) => read.affine);
    const straight = reads.length === factors.length && reads.length <= (kind === "max" ? 1 : 2);
    const [one, two] = reads;
    const run = () => {
      let total = kind === "max" ? -Infinity : 0;
      let counted = 0;
      for (let row = 0; row < rows; row++) {
        if (straight && one.aligned(along, length) && (!two || two.aligned(along, length))) {
          total = two ? addProducts(total, one, two, length) : addRow(total, kind, one, length);
          if (!skipping || skipping.inside) counted += length;
          at[along] = length - 1;
        } else {
          for (let t = 0; t < length; t++) {
            at[along] = t;
            const value = term();
            total = kind === "max" ? Math.max(total, value) : total + value;
            if (!skipping || skipping.inside) counted++;
          }
        }
        step(at, over, sizes);
      }
      return kind === "mean" ? total / counted : total;
    };
    const start = over.map(() => 0);
    return () => this.elsewhere(over, start, run);
  }

  /** The terms of the main reduction, one by one. @param {MainJson} main @returns {Groups} */
  groups({ reduce: kind, over, window, read: node, weights: others, channel }) {
    const axes = over === null ? window : [over, ...window];
    const lengths = axes.map((axis) => sizeOf(this.equation, axis));
    const count = over === null ? 1 : lengths[0];
    const sizes = lengths.slice(axes.length - window.length);
    const [each, terms] = [product(sizes), product(lengths)];
    const read = this.read(node);
    const weights = others.map((weight) => this.read(weight));
    const rank = node.at.length;
    const places = new Int32Array(terms * rank);
    const windows = new Float64Array(terms);
    const inside = new Uint8Array(terms);
    const kernels = weights.length ? new Float64Array(terms) : null;
    const products = kernels && new Float64Array(terms);
    const partials = new Float64Array(count).fill(kind === "max" ? -Infinity : 0);
    const channels = new Int32Array(count);
    /** @type {number[][]} */
    const corners = [];
    let counted = 0;
    const run = () => {
      for (let group = 0, n = 0; group < count; group++) {
        /** @type {number[]} */
        const lowest = [];
        for (let k = 0; k < each; k++, n++) {
          let term = (windows[n] = read.value());
          if (read.inside) counted += inside[n] = 1;
          for (let d = 0; d < rank; d++) {
            const place = (places[n * rank + d] = read.places[d]);
            if (!(lowest[d] <= place)) lowest[d] = place;
          }
          if (kernels && products) {
            let kernel = 1;
            for (const weight of weights) kernel *= weight.value();
            kernels[n] = kernel;
            products[n] = term *= kernel;
          }
          partials[group] = kind === "max" ? Math.max(partials[group], term) : partials[group] + term;
          step(this.at, axes, lengths);
        }
        if (channel !== null) channels[group] = lowest[channel];
        corners.push(lowest.filter((_, d) => d !== channel));
      }
    };
    this.elsewhere(axes, axes.map(() => 0), run);
    if (kind === "mean") {
      const all = node.outside === "skip" ? counted : terms;
      for (let group = 0; group < count; group++) partials[group] /= all;
    }
    const names = window.map((axis) => this.equation.index[axis].name);
    return {
      tensor: node.read, count, axes: names, sizes, rank, channel, channels, places, windows, inside, kernels, products,
      partials, corners,
    };
  }

  /**
   * What an expression reads outside reductions, each thing once.
   * @param {ExpressionJson} node @param {Map<string, Reading>} [found]
   */
  readings(node, found = new Map()) {
    if ("read" in node) {
      const read = this.read(node);
      const value = read.value();
      const { name, role } = read.tensor;
      const index = Array.from(read.places);
      found.set(JSON.stringify([name, index]), { name, index, value, role });
    } else if ("pieces" in node) {
      const here = node.ends.findIndex((end) => this.at[node.along] < known(end));
      this.readings(node.pieces[here], found);
    } else if ("args" in node) node.args.forEach((part) => this.readings(part, found));
    return found;
  }
}

/** A tensor whose numbers are given, anew for every question. */
class Source {
  /** @param {string} name @param {EquationJson["tensors"][string]} tensor */
  constructor(name, { role, shape }) {
    this.name = name;
    this.role = role;
    this.declared = (shape || []).map((size) => (typeof size === "number" ? size : NaN));
    this.whole = this.declared;
    /** @type {Patch | null} */
    this.patch = null;
  }

  /** @param {Values} values */
  bind(values) {
    this.patch = Object.hasOwn(values, this.name) ? values[this.name] : null;
    this.whole = this.patch ? this.patch.whole : this.declared; // without numbers there may still be border to read
    if (!this.patch || product(this.patch.shape) === this.patch.data.length) return;
    const { data, shape } = this.patch;
    throw new RangeError(`${this.name}: ${data.length} numbers are not ${shape.join("×")}`);
  }

  /** Where a number lies among those given; -1 where it is not among them. @param {Int32Array} places */
  offset(places) {
    if (!this.patch) return -1;
    const { origin, shape } = this.patch;
    let offset = 0;
    for (let d = 0; d < places.length; d++) {
      const place = places[d] - origin[d];
      if (!(place >= 0 && place < shape[d])) return -1;
      offset = offset * shape[d] + place;
    }
    return offset;
  }

  /** @param {Int32Array} places */
  read(places) {
    const offset = this.offset(places);
    if (!this.patch) throw new RangeError(`${this.name} is read, and not among the values`);
    if (offset >= 0) return this.patch.data[offset];
    const { origin, shape } = this.patch;
    const d = places.findIndex((place, n) => !(place >= origin[n] && place < origin[n] + shape[n]));
    throw new RangeError(
      `${this.name} is read at ${places[d]} along axis ${d}; ` +
        `what was given runs from ${origin[d]} to ${origin[d] + shape[d] - 1}`,
    );
  }
}

/** A tensor that the equation defines: each of its numbers is computed once for one set of values. */
class Local {
  /** @param {Program} program @param {LocalJson} item */
  constructor(program, { name, axes, expression }) {
    this.name = name;
    this.role = /** @type {const} */ ("local");
    /** @type {number[]} it has no border, so that nobody compares its sizes */
    this.whole = [];
    this.sizes = axes.map((axis) => Number(program.equation.index[axis].size));
    /** @type {WeakMap<Values, Map<number | string, number>>} */
    this.memories = new WeakMap();
    /** @type {Map<number | string, number>} */
    this.memory = new Map();
    const ask = () => program.value(expression);
    /** @param {Int32Array} places */
    this.compute = (places) => program.elsewhere(axes, places, ask);
  }

  /** @param {Values} values */
  bind(values) {
    this.memory = this.memories.get(values) || new Map();
    this.memories.set(values, this.memory);
  }

  /** @param {Int32Array} places */
  read(places) {
    let flat = 0;
    for (let n = 0; n < places.length; n++) {
      flat = places[n] >= 0 && places[n] < this.sizes[n] ? flat * this.sizes[n] + places[n] : NaN;
    }
    const key = Number.isNaN(flat) ? places.join() : flat; // it may be read beyond its axes
    let found = this.memory.get(key);
    if (found === undefined) this.memory.set(key, (found = this.compute(places)));
    return found;
  }
}

/** A read: where, of which tensor, and what is found in the border. */
class Read {
  /** @param {Program} program @param {ReadJson} node */
  constructor(program, { read, at, padding = [], outside = "zero" }) {
    const tensor = program.tensors.get(read);
    if (!tensor) throw new RangeError(`${read} is not among the equation's tensors`);
    const indices = at.map((index) => compiledIndex(program.at, index));
    this.tensor = tensor;
    this.at = program.at;
    this.indices = indices.map(({ place }) => place);
    this.tests = indices.flatMap(({ tests }) => tests);
    this.bordered = at.map((_, d) => d in padding && padding[d].some((size) => size !== 0));
    this.edge = outside === "edge";
    this.fill = outside === "-inf" ? -Infinity : 0;
    this.skips = outside === "skip" && (this.tests.length > 0 || this.bordered.includes(true));
    this.affine = tensor instanceof Source && indices.every(({ affine }) => affine);
    this.filled = Float64Array.of(this.fill); // a row of border, read with stride 0
    // what was last found: where, whether inside, and of a row (see `aligned`) where its numbers lie
    this.places = new Int32Array(at.length);
    this.inside = true;
    /** @type {Patch["data"]} */
    this.data = this.filled;
    this.offset = 0;
    this.stride = 0;
  }

  locate() {
    for (let d = 0; d < this.places.length; d++) this.places[d] = this.indices[d]();
  }

  /** Which border the place lies in: −1, −2, … before the first, second, … index; 1, 2, … after it; 0 for none. */
  border() {
    const { places, bordered } = this;
    const { whole } = this.tensor;
    for (let d = 0; d < places.length; d++) {
      if (bordered[d] && places[d] < 0) return -1 - d;
      if (bordered[d] && places[d] >= whole[d]) return 1 + d;
    }
    return 0;
  }

  value() {
    this.locate();
    const { tensor, places, tests } = this;
    this.inside = this.border() === 0 && (!tests.length || tests.every((test) => test()));
    if (this.inside) return tensor.read(places);
    return this.edge ? tensor.read(places.map((place, d) => clipped(place, tensor.whole[d]))) : this.fill;
  }

  /**
   * Whether a row along an axis is all among the numbers given, or all border; sets where it lies. As the indices are
   * affine, its two ends tell.
   * @param {number} axis @param {number} length
   */
  aligned(axis, length) {
    const { at, tensor, places } = this;
    if (!(tensor instanceof Source)) return false;
    at[axis] = length - 1;
    this.locate();
    const last = tensor.offset(places);
    const border = last < 0 ? this.border() : 0;
    at[axis] = 0;
    this.locate();
    const first = tensor.offset(places);
    this.inside = first >= 0 && last >= 0;
    this.data = this.inside && tensor.patch ? tensor.patch.data : this.filled;
    this.offset = this.inside ? first : 0;
    this.stride = this.inside ? (last - first) / Math.max(length - 1, 1) : 0;
    return this.inside || (border !== 0 && border === this.border() && !this.edge);
  }
}

/** @param {number} total @param {Kind} kind @param {Read} read @param {number} length */
function addRow(total, kind, { data, offset: i, stride }, length) {
  if (kind === "max") for (let t = 0; t < length; t++, i += stride) total = Math.max(total, data[i]);
  else for (let t = 0; t < length; t++, i += stride) total += data[i];
  return total;
}

/** @param {number} total @param {Read} one @param {Read} two @param {number} length */
function addProducts(total, { data: a, offset: i, stride: across }, { data: b, offset: j, stride: down }, length) {
  for (let t = 0; t < length; t++, i += across, j += down) total += a[i] * b[j];
  return total;
}

/**
 * An index: where it is, and what has to hold so that its exact divisions come out whole.
 * @param {Int32Array} at @param {IndexJson} index
 * @returns {{place: Numeric, tests: (() => boolean)[], affine: boolean}}
 */
function compiledIndex(at, index) {
  const start = known(index.const);
  /** @type {number[]} */
  const axes = [];
  /** @type {number[]} */
  const factors = [];
  /** @type {Numeric[]} */
  const divided = [];
  /** @type {(() => boolean)[]} */
  const tests = [];
  for (const [atom, size] of index.terms) {
    const factor = known(size);
    if (typeof atom === "number") {
      axes.push(atom);
      factors.push(factor);
      continue;
    }
    const { place, tests: inner } = compiledIndex(at, atom.of);
    const by = known(atom.by);
    tests.push(...inner);
    if (atom.op === "mod") divided.push(() => factor * modulo(place(), by));
    else divided.push(() => factor * Math.floor(place() / by));
    if (atom.op === "exact") tests.push(() => modulo(place(), by) === 0);
  }
  const affine = () => {
    let sum = start;
    for (let n = 0; n < axes.length; n++) sum += at[axes[n]] * factors[n];
    return sum;
  };
  if (!divided.length) return { place: affine, tests, affine: true };
  return { place: () => divided.reduce((sum, part) => sum + part(), affine()), tests, affine: false };
}

/** Take the next step, the last axis first. @param {Int32Array} at @param {number[]} axes @param {number[]} sizes */
function step(at, axes, sizes) {
  for (let n = axes.length - 1; n >= 0; n--) {
    if (++at[axes[n]] < sizes[n]) return;
    at[axes[n]] = 0;
  }
}

/** @param {ExpressionJson} node @returns {ExpressionJson[]} */
const factorsOf = (node) => ("op" in node && node.op === "*" ? node.args.flatMap(factorsOf) : [node]);

/** @param {ExpressionJson} node @returns {ReadJson[]} */
function readsIn(node) {
  if ("read" in node) return [node];
  if ("body" in node) return readsIn(node.body);
  return "args" in node ? node.args.flatMap(readsIn) : "pieces" in node ? node.pieces.flatMap(readsIn) : [];
}

const OPERATORS = { "+": "add", "-": "sub", "*": "mul", "/": "div" };

/** @type {Record<string, (x: number, a: number, b: number) => number>} */
const PRIMITIVES = {
  add: (x, a) => x + a,
  sub: (x, a) => x - a,
  mul: (x, a) => x * a,
  div: (x, a) => x / a,
  max: (x, a) => Math.max(x, a),
  min: (x, a) => Math.min(x, a),
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  tanh: Math.tanh,
  abs: Math.abs,
  erf: errorFunction,
  select: (x, a, b) => (x > 0 ? a : b),
};

/** @param {string} name @param {Numeric[]} args @returns {Numeric} */
function primitive(name, [x, a, b]) {
  const f = PRIMITIVES[name];
  if (!f) throw new RangeError(`there is no function ${name}`);
  if (b) return () => f(x(), a(), b());
  return a ? () => f(x(), a(), 0) : () => f(x(), 0, 0);
}

/** @param {FormulaJson} node @param {Record<string, number>} given the parameters' values @returns {Numeric} */
function formula(node, given) {
  if (typeof node === "number") return () => node;
  if (typeof node === "string") return () => given[node];
  const [name, ...rest] = node;
  return primitive(name, rest.map((/** @type {FormulaJson} */ part) => formula(part, given)));
}

/**
 * erf: below 2 by its series of positive terms, 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)); above by the
 * continued fraction of 1 − erf, which is then so small that its own error does not show.
 * @param {number} x
 */
function errorFunction(x) {
  const size = Math.abs(x);
  if (!(size < 6)) return Number.isNaN(x) ? NaN : Math.sign(x);
  if (size < 2) {
    let term = x;
    let sum = x;
    for (let n = 3; Math.abs(term) > Math.abs(sum) * 1e-18; n += 2) {
      term *= (2 * x * x) / n;
      sum += term;
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction);
}

// == Numbers as text ==============================================================================
//
// explain/words.py over again, digit for digit. Python rounds what lies exactly halfway to the even digit, JavaScript
// away from zero; all else both round correctly.

/** A number with a fixed number of decimals and a true minus sign. @param {number} value @returns {string} */
export function decimal(value, places = 6) {
  if (!Number.isFinite(value)) return exact(value);
  const size = Math.abs(value);
  let text = size.toFixed(places);
  if (size < 1e21) text = toEven(text, size, places);
  else text = BigInt(size) + (places ? `.${"0".repeat(places)}` : ""); // toFixed would write an exponent
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/** A number with every digit that float32 has, and a true minus sign. @param {number} value */
export function exact(value) {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 || Object.is(value, -0) ? "−" : "";
  const size = Math.abs(value);
  if (size === 0 || size === Infinity) return `${sign}${size ? "∞" : "0"}`;
  const [mantissa, power] = exponential(size, 8);
  if (power >= -4 && power < 9) return sign + withoutZeros(decimal(size, 8 - power));
  return `${sign}${withoutZeros(mantissa)}e${power < 0 ? "−" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** A small number as 2·10⁻⁸. @param {number} value */
export function scientific(value) {
  if (value === 0 || !Number.isFinite(value)) return exact(value);
  const [mantissa, power] = exponential(Math.abs(value), 1);
  const raised = String(power).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
  return `${value < 0 ? "−" : ""}${withoutZeros(mantissa)}·10${raised}`;
}

/**
 * Numbers rounded so that what is shown adds up to the shown total, exactly: each is rounded down, and the units that
 * are then missing go to those that lost most. If one is not finite they do not add up, and come back one by one.
 * @param {ArrayLike<number>} values @param {number} total @param {number} digits how many decimals
 */
export function addingUp(values, total, digits) {
  const numbers = Array.from(values);
  if (!numbers.length || ![...numbers, total].every(Number.isFinite)) {
    return { texts: numbers.map((value) => decimal(value, digits)), total: decimal(total, digits) };
  }
  const unit = Number(`1e${digits}`);
  const scaled = numbers.map((value) => value * unit);
  const whole = scaled.map((value) => BigInt(Math.floor(value)));
  const lost = scaled.map((value) => value - Math.floor(value));
  const target = BigInt(halfToEven(total * unit));
  const missing = target - whole.reduce((a, b) => a + b, 0n);
  const one = missing > 0n ? 1n : -1n;
  const order = lost.map((_, n) => n).sort((a, b) => Number(one) * (lost[b] - lost[a]));
  const count = BigInt(order.length);
  const [turns, more] = [(missing * one) / count, (missing * one) % count];
  order.forEach((n, place) => (whole[n] += one * (turns + (place < more ? 1n : 0n))));
  const texts = whole.map((value) => decimal(Number(value) / unit, digits));
  return { texts, total: decimal(Number(target) / unit, digits) };
}

/** @param {number} value */
function halfToEven(value) {
  const below = Math.floor(value);
  const lost = value - below;
  return lost > 0.5 || (lost === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/**
 * A positive number's mantissa with so many decimals, and its power of ten.
 * @param {number} size @param {number} decimals @returns {[string, number]}
 */
function exponential(size, decimals) {
  const [mantissa, power] = size.toExponential(decimals).split("e");
  return [toEven(mantissa, size, decimals - Number(power)), Number(power)];
}

/**
 * The text of a number that was rounded to so many decimals (or, below 0, to tens) with halves going up, with halves
 * going to the even digit. Halfway is size·10ᵖ = n + ½, so that size·2ᵖ⁺¹ is odd; no double is halfway beyond 10²².
 * @param {string} text @param {number} size @param {number} places
 */
function toEven(text, size, places) {
  const tens = Number(`1e${-places}`);
  const halfway = places < 0 ? places >= -22 && size % tens === tens / 2 : (size * 2 ** (places + 1)) % 2 === 1;
  const last = Number(text.slice(-1));
  return halfway && last % 2 ? `${text.slice(0, -1)}${last - 1}` : text;
}

/** @param {string} text */
const withoutZeros = (text) => (text.includes(".") ? text.replace(/\.?0*$/, "") : text);

/* ---- Elements -------------------------------------------------------------------------------------------- */

/** @typedef {Node | string | number | null | undefined | false} Child  what is nothing is left out */

/**
 * A new element. Text from a model only ever becomes text nodes and attributes that hold no code.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any> | null} [props]  on… is a listener, the rest attributes; null and false are left out
 * @param {...(Child | Child[])} children
 */
function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return put(element, ...children);
}

/**
 * Put children at the end of an element.
 * @template {Element} T
 * @param {T} element
 * @param {...(Child | Child[])} children
 */
function put(element, ...children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Replace what an element holds. @param {Element} element @param {...(Child | Child[])} children */
function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

/** Set an element's text if it has changed, so that nothing is laid out for nothing. @param {Element} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A table; the first cell of a row names it, and those that are given as text stand to the right if they are numbers.
 * @param {Child[] | null} head
 * @param {(Child | Child[])[][]} rows
 * @param {(Child | Child[])[] | null} [foot]
 */
function table(head, rows, foot) {
  const row = (/** @type {(Child | Child[])[]} */ cells) => h("tr", null, cells.map((cell, n) => {
    if (cell instanceof HTMLTableCellElement) return cell;
    const figure = n > 0 && typeof cell === "string" && /^[+\[−\d]?[\d.,∞]+/.test(cell);
    return n ? h("td", { class: figure ? "cs-figure" : null }, cell) : h("th", { scope: "row" }, cell);
  }));
  return h("table", { class: "cs-data" },
    head && h("thead", null, h("tr", null, head.map((cell) => (cell ? h("th", { scope: "col" }, cell) : h("td"))))),
    h("tbody", null, rows.map(row)), foot && h("tfoot", null, row(foot)));
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** A canvas of this size in CSS pixels, sharp on any screen, ready to be drawn on. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function sized(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const [wide, tall] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== wide || canvas.height !== tall) {
    canvas.width = wide;
    canvas.height = tall;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = penOf(canvas);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.imageSmoothingEnabled = false;
  return pen;
}

/** @typedef {CanvasRenderingContext2D} Pen */

/** @param {HTMLCanvasElement} canvas */
const penOf = (canvas) => /** @type {Pen} */ (canvas.getContext("2d"));

/* ---- Asking the host ------------------------------------------------------------------------------------- */

/**
 * anywidget's model, as far as it is used here.
 * @typedef {{get: (key: string) => any, send: (message: any, callbacks?: any, buffers?: ArrayBuffer[]) => void,
 *   on: (event: string, heard: (...rest: any[]) => void) => void, off: (event: string, heard: (...rest: any[]) => void) => void}} Model
 */

/** Questions to the host, each with its answer. */
class Link {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.last = 0;
    this.mark = Math.random().toString(36).slice(2, 10); // a notebook's model tells all its views every answer
    /** @type {Map<string, {done: (answer: {facts: any, body: DataView | null}) => void, failed: (error: Error) => void}>} */
    this.open = new Map();
    /** @type {(status: string, text: string) => void} told when the host is lost, or back */
    this.heard = () => {};
    this.listen = this.listen.bind(this);
    model.on("msg:custom", this.listen);
  }

  close() {
    this.model.off("msg:custom", this.listen);
  }

  /** Ask a question, with a picture's bytes if it has some. @param {Question} question @param {ArrayBuffer} [upload] @returns {Promise<{facts: any, body: DataView | null}>} */
  ask(question, upload) {
    return new Promise((done, failed) => {
      const id = `${this.mark}-${++this.last}`;
      this.open.set(id, { done, failed });
      this.model.send({ id, question }, undefined, upload ? [upload] : []);
    });
  }

  /** @param {any} message @param {DataView[]} [buffers] */
  listen(message, buffers) {
    if (message.status) {
      this.heard(message.status, message.text ?? "");
      return;
    }
    const asked = this.open.get(message.id);
    if (!asked) return;
    this.open.delete(message.id);
    if (message.error) asked.failed(new Error(message.error.text));
    else asked.done({ facts: message.facts, body: buffers?.[0] ?? null });
  }
}

/* ---- The network and its numbers ------------------------------------------------------------------------- */

/** @typedef {{maps: number | null, rows: number | null, columns: number | null}} Axes  which axis picks the map, which its rows and columns */
/**
 * A layer, or an input of the network; shapes are without the batch, sizes that are unknown are null.
 * @typedef {{name: string, kind: string, inputs: string[], shape: number[], axes: Axes, place: [number, number],
 *   weights: Record<string, number[]>, params: number | null, macs: number | null, receptive_field: any,
 *   equation: boolean, input: boolean}} Layer
 */
/**
 * @typedef {{id: number, source: string, steps: any[], shapes: Record<string, number[]>, output: string,
 *   ranges: Record<string, [number, number]>, largest: {position: number[], value: number}[]}} Run
 */
/** @typedef {{name: string, layers: Layer[], inputs: Layer[], warnings: string[], samples: string[], run: Run | null}} Told */
/** @typedef {{name: string, equation: EquationJson, feeds: Record<string, string>, activation: string | null, pictures: any[]}} Detail */
/** @typedef {{maps: number[], tile: [number, number], of: [number, number], data: Float32Array}} Tiles */
/** @typedef {Record<string, any>} Question */

const WHOLE = 1 << 22; // tensors of up to this many numbers are fetched whole: hovering then needs no round trip
const KEPT = 384 << 20; // bytes of numbers that are kept

/** @param {number[]} shape */
const count = (shape) => shape.reduce((product, size) => product * size, 1);

/** What the host has told so far: layers, equations, numbers. */
class Network {
  /** @param {Link} link @param {Told} told */
  constructor(link, told) {
    this.link = link;
    this.told = told;
    this.name = told.name;
    this.run = told.run;
    /** @type {Map<string, Layer>} */
    this.layers = new Map();
    const input = { kind: "input", inputs: [], weights: {}, params: 0, macs: 0, receptive_field: null, equation: false };
    for (const one of told.inputs) this.layers.set(one.name, { ...input, ...one, input: true });
    for (const one of told.layers) this.layers.set(one.name, { ...one, input: false });
    this.names = [...this.layers.keys()];
    /** @type {Map<string, {promise: Promise<any>, ready: any, bytes: number}>} what was told, the latest use last */
    this.known = new Map();
    this.bytes = 0;
    /** @type {Record<string, Patch>} */
    this.latest = {};
  }

  /** @param {string} name */
  layer(name) {
    return /** @type {Layer} */ (this.layers.get(name));
  }

  /** A layer's shape at the run's image size. @param {string} name */
  shape(name) {
    return this.run?.shapes[name] ?? this.layer(name).shape ?? [];
  }

  /** Whether a layer's numbers can be looked at. @param {string} name */
  has(name) {
    return this.run !== null && name in this.run.shapes && count(this.shape(name)) > 0;
  }

  /** A layer's smallest and largest number. @param {string} name @returns {[number, number]} */
  range(name) {
    return this.run?.ranges[name] ?? [0, 1];
  }

  /** The size that a layer's colours go up to. @param {string} name */
  limit(name) {
    return Math.max(...this.range(name).map(Math.abs));
  }

  /** Ask the host, once; what has not been used for longest is forgotten first. @param {Question} question @returns {Promise<any>} */
  ask(question) {
    const key = JSON.stringify(question);
    const found = this.known.get(key);
    if (found) {
      this.known.delete(key);
      this.known.set(key, found);
      return found.promise;
    }
    const promise = this.link.ask(question).then(({ facts, body }) => (body?.byteLength ? { ...facts, data: numbers(body, facts.dtype) } : facts));
    const entry = { promise, ready: /** @type {any} */ (null), bytes: 0 };
    this.known.set(key, entry);
    promise.then((ready) => {
      Object.assign(entry, { ready, bytes: ready.data?.byteLength ?? 0 });
      this.bytes += entry.bytes;
      for (const [old, held] of this.known) {
        if (this.bytes <= KEPT || old === key) break;
        this.known.delete(old);
        this.bytes -= held.bytes;
      }
    }, () => this.known.delete(key));
    return promise;
  }

  /** What the host has told already. @param {Question} question */
  now(question) {
    return this.known.get(JSON.stringify(question))?.ready ?? null;
  }

  /** What asks for a layer's equation and what goes with it. @param {string} layer */
  detail(layer) {
    return { ask: "layer", layer, run: this.run?.id };
  }

  /** What asks for the numbers of an activation or a weight, whole or a box of it. @param {string} layer @param {string | null} [weight] @param {number[][] | null} [box] */
  values(layer, weight = null, box = null) {
    return { ask: "values", run: weight === null ? this.run?.id : null, layer, weight, box };
  }

  /** What asks for one number of an activation: with all others, if they are not too many. @param {string} layer @param {number[]} at */
  around(layer, at) {
    return this.values(layer, null, count(this.shape(layer)) <= WHOLE ? null : at.map((p) => [p, p]));
  }

  /** What asks for all that an equation reads at a position, by its own names for it. @param {Detail} detail @param {EquationJson} equation @param {number[]} at */
  reads(detail, equation, at) {
    /** @type {Record<string, number[][]> | null} */
    let boxes = null;
    /** @type {Record<string, Question>} */
    const found = {};
    for (const [tensor, { role }] of Object.entries(equation.tensors)) {
      const weight = role === "weight" ? tensor : null;
      const name = weight === null ? detail.feeds[tensor] : detail.name;
      const whole = count(weight === null ? this.shape(name) : this.layer(name).weights[weight]) <= WHOLE;
      if (!whole) boxes ??= needs(equation, at);
      if (whole || boxes?.[tensor]) found[tensor] = this.values(name, weight, whole ? null : /** @type {any} */ (boxes)[tensor]);
    }
    return found;
  }

  /** Those numbers, if they are all at hand. @param {Record<string, Question>} reads @returns {Record<string, Patch> | null} */
  readsNow(reads) {
    /** @type {Record<string, Patch>} */
    const found = {};
    for (const [tensor, question] of Object.entries(reads)) {
      const told = this.now(question);
      if (!told) return null;
      found[tensor] = this.patch(told, question);
    }
    // the same object for the same numbers: what an equation works out on the way is remembered with it
    const same = Object.keys(found).length === Object.keys(this.latest).length && Object.keys(found).every((t) => found[t] === this.latest[t]);
    if (!same) this.latest = found;
    return this.latest;
  }

  /** Those numbers, fetched where they are not at hand. @param {Record<string, Question>} reads */
  async readsSoon(reads) {
    await Promise.all(Object.values(reads).map((question) => this.ask(question)));
    return /** @type {Record<string, Patch>} */ (this.readsNow(reads));
  }

  /** Where told numbers lie in their tensor. @param {any} told @param {Question} question @returns {Patch} */
  patch(told, { layer, weight, box }) {
    told.whole ??= weight === null ? this.shape(layer) : this.layer(layer).weights[weight];
    told.origin ??= told.whole.map((/** @type {number} */ _, /** @type {number} */ axis) => (box ? box[axis][0] : 0));
    told.data ??= new Float32Array(0);
    return told;
  }

  /** A whole activation, if it is at hand. @param {string} layer */
  activation(layer) {
    const question = this.values(layer);
    const told = this.now(question);
    return told && this.patch(told, question);
  }

  /** Some maps of a layer, as tiles no larger than side × side. @param {string} layer @param {number[]} maps @param {number} side @returns {Promise<Tiles>} */
  async tiles(layer, maps, side) {
    return { maps, ...(await this.ask({ ask: "tiles", run: this.run?.id, layer, maps, side })) };
  }

  /** How much is going on in each map. @param {string} layer @returns {Promise<number[]>} */
  async energy(layer) {
    return (await this.ask({ ask: "maps", run: this.run?.id, layer })).energy;
  }
}

/** The numbers of an answer, little-endian as every browser's platform. @param {DataView} body @param {string} dtype */
function numbers(body, dtype) {
  const bytes = /** @type {ArrayBuffer} */ (body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength));
  return dtype === "float64" ? new Float64Array(bytes) : new Float32Array(bytes);
}

/* ---- Where we are ---------------------------------------------------------------------------------------- */

const SCREENS = /** @type {const} */ ({
  stack: "Stack", microscope: "Microscope", models: "Mental models", whatif: "What if", input: "Input",
});
const screens = /** @type {(keyof typeof SCREENS)[]} */ (Object.keys(SCREENS));
const MODELS = ["apart", "shared", "real", "depth"];
const COLOURS = /** @type {const} */ ({
  layer: "one scale for the layer", map: "a scale for each map", grey: "grey",
});
const SORTS = /** @type {const} */ ({ index: "index", energy: "energy", contribution: "contribution" });

/** @typedef {{screen: keyof typeof SCREENS, layer: string, at: number[], model: string, colour: keyof typeof COLOURS, sort: keyof typeof SORTS}} Place */

/** A position's map, row and column. @param {Axes} axes @param {number[]} at */
function spot({ maps, rows, columns }, at) {
  const get = (/** @type {number | null} */ axis) => (axis === null ? 0 : at[axis]);
  return { map: get(maps), row: get(rows), column: get(columns) };
}

/** The axes of volumes and the like, which pick a slice: slices are drawn above one another. @param {Layer} layer @param {number[]} shape */
function slices({ axes }, shape) {
  return shape.map((_, axis) => axis).filter((axis) => axis !== axes.maps && axis !== axes.rows && axis !== axes.columns);
}

/** The position of a pixel of a drawn map. @param {Layer} layer @param {number[]} shape @param {Spot} where @returns {number[]} */
function position(layer, shape, { map, row, column }) {
  const { maps, rows, columns } = layer.axes;
  const at = shape.map(() => 0);
  for (const axis of [...(rows === null ? [] : [rows]), ...slices(layer, shape).reverse()]) {
    at[axis] = row % shape[axis];
    row = Math.floor(row / shape[axis]);
  }
  if (columns !== null) at[columns] = column;
  if (maps !== null) at[maps] = map;
  return at;
}

/** The row in which a position is drawn. @param {Layer} layer @param {number[]} shape @param {number[]} at */
function drawnRow(layer, shape, at) {
  const { rows } = layer.axes;
  return [...slices(layer, shape), ...(rows === null ? [] : [rows])].reduce((row, axis) => row * shape[axis] + at[axis], 0);
}

/** How many maps a layer has. @param {Layer} layer @param {number[]} shape */
const mapsOf = (layer, shape) => (layer.axes.maps === null ? 1 : shape[layer.axes.maps]);

/** How large a layer's maps are when drawn. @param {Layer} layer @param {number[]} shape @returns {[number, number]} */
function mapSize(layer, shape) {
  const columns = layer.axes.columns === null ? 1 : shape[layer.axes.columns];
  const all = count(shape) || 1;
  return [Math.max(1, Math.round(all / columns / mapsOf(layer, shape))), columns];
}

/** The place that an address names, as far as the network has it. @param {string} text  after the # @param {Network} net @param {Place} before */
function parsePlace(text, net, before) {
  const given = new URLSearchParams(text);
  const place = { ...before, at: [...before.at] };
  const screen = given.get("s");
  if (screen && screen in SCREENS) place.screen = /** @type {any} */ (screen);
  const name = given.get("l");
  if (name !== null && net.layers.has(name)) {
    if (name !== place.layer) place.at = net.shape(name).map(() => 0);
    place.layer = name;
  }
  const layer = net.layer(place.layer);
  const shape = net.shape(place.layer);
  const whole = (/** @type {string | null} */ t) => (t !== null && /^\d{1,9}$/.test(t) ? Number(t) : null);
  const listed = given.get("p");
  if (listed !== null) place.at = shape.map((_, n) => whole(listed.split(",")[n] ?? null) ?? 0);
  for (const [key, axis] of /** @type {[string, number | null][]} */ ([
    ["o", layer.axes.maps ?? (layer.axes.rows === null ? layer.axes.columns : null)],
    ["y", layer.axes.rows],
    ["x", layer.axes.columns],
  ])) {
    const value = whole(given.get(key));
    if (axis !== null && value !== null) place.at[axis] = value;
  }
  place.at = shape.map((size, n) => Math.min(place.at[n] ?? 0, Math.max(0, size - 1)));
  const model = given.get("m");
  if (model && MODELS.includes(model)) place.model = model;
  const colour = given.get("c");
  if (colour && colour in COLOURS) place.colour = /** @type {any} */ (colour);
  const sort = given.get("sort");
  if (sort && sort in SORTS) place.sort = /** @type {any} */ (sort);
  return place;
}

/** The address of a place. @param {Place} place @param {Network} net */
function placeText(place, net) {
  const { maps, rows, columns } = net.layer(place.layer).axes;
  const parts = [`l=${encodeURIComponent(place.layer)}`];
  const named = [maps, rows, columns].filter((axis) => axis !== null).length;
  if (place.at.length === 1) parts.push(`o=${place.at[0]}`);
  else if (place.at.length === named) {
    if (maps !== null) parts.push(`o=${place.at[maps]}`);
    if (rows !== null) parts.push(`y=${place.at[rows]}`);
    if (columns !== null) parts.push(`x=${place.at[columns]}`);
  } else parts.push(`p=${place.at.join(",")}`);
  parts.push(`m=${place.model}`);
  if (place.screen !== "microscope") parts.push(`s=${place.screen}`);
  if (place.colour !== "layer") parts.push(`c=${place.colour}`);
  if (place.sort !== "index") parts.push(`sort=${place.sort}`);
  return parts.join("&");
}

/* ---- Colours and maps ------------------------------------------------------------------------------------ */

/** @typedef {"light" | "dark"} Scheme */

const RAMPS = {
  light: { low: [0x05, 0x50, 0xae], zero: [0xf6, 0xf6, 0xf4], high: [0xc4, 0x4e, 0x00], line: "#1f2328" },
  dark: { low: [0x6c, 0xb6, 0xff], zero: [0x22, 0x27, 0x2e], high: [0xff, 0xa6, 0x57], line: "#f0f3f6" },
};

/** Colours of numbers from −1 to 1, as 32-bit pixels. */
class Ramp {
  /** @param {Scheme} scheme */
  constructor(scheme) {
    const { low, zero, high, line } = RAMPS[scheme];
    this.scheme = scheme;
    this.line = line;
    this.zero = `rgb(${zero.join(" ")})`;
    this.table = new Uint32Array(511);
    this.css = [];
    for (let n = 0; n < 511; n++) {
      const share = Math.abs(n - 255) / 255;
      const end = n < 255 ? low : high;
      const [r, g, b] = zero.map((from, channel) => Math.round(from + (end[channel] - from) * share));
      this.table[n] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
      this.css.push(`rgb(${r} ${g} ${b})`);
    }
    this.grey = new Uint32Array(256);
    for (let n = 0; n < 256; n++) this.grey[n] = ((255 << 24) | (n << 16) | (n << 8) | n) >>> 0;
    this.nothing = scheme === "light" ? 0xffb0a0b0 : 0xff705070; // not a number
  }

  /** The colour of a number. @param {number} value @param {number} limit */
  of(value, limit) {
    const share = limit > 0 ? Math.max(-1, Math.min(1, value / limit)) : 0;
    return this.css[255 + Math.round((Number.isNaN(share) ? 0 : share) * 255)];
  }
}

/**
 * Paint numbers into pixels, one pixel a number; grey is the range of a grey scale, if it is one.
 * @param {Float32Array | Float64Array} data @param {number} from @param {number} length @param {Uint32Array} pixels
 * @param {Ramp} ramp @param {number} limit @param {[number, number] | null} grey
 */
function paint(data, from, length, pixels, ramp, limit, grey) {
  if (grey) {
    const [low, high] = grey;
    const scale = high > low ? 255 / (high - low) : 0;
    for (let n = 0; n < length; n++) {
      const level = (data[from + n] - low) * scale;
      pixels[n] = level >= 0 ? ramp.grey[level > 255 ? 255 : Math.round(level)] : level < 0 ? ramp.grey[0] : ramp.nothing;
    }
    return;
  }
  const scale = limit > 0 ? 255 / limit : 0;
  for (let n = 0; n < length; n++) {
    const level = data[from + n] * scale;
    pixels[n] = level >= 255 ? ramp.table[510] : level <= -255 ? ramp.table[0]
      : level === level ? ramp.table[255 + Math.round(level)] : ramp.nothing;
  }
}

/** @typedef {{map: number, row: number, column: number}} Spot */
/** @typedef {{tiles: Tiles, across: number, scale: number, gap: number, colour: keyof typeof COLOURS, limit: number, range: [number, number]}} Sheet */

/** Draw tiles beside one another, in reading order, in one pass. @param {HTMLCanvasElement} canvas @param {Sheet} sheet @param {Ramp} ramp */
function drawSheet(canvas, sheet, ramp) {
  const { tiles, across, scale, gap } = sheet;
  const [rows, columns] = tiles.tile;
  const number = tiles.maps.length;
  const down = Math.max(1, Math.ceil(number / across));
  const pitch = [rows * scale + gap, columns * scale + gap];
  const width = Math.max(1, across * pitch[1] - gap);
  const height = Math.max(1, down * pitch[0] - gap);
  canvas.width = width;
  canvas.height = height;
  const pen = penOf(canvas);
  const image = pen.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const size = rows * columns;
  const pixels = new Uint32Array(size);
  for (let n = 0; n < number; n++) {
    let limit = sheet.limit;
    /** @type {[number, number] | null} */
    let grey = sheet.colour === "grey" ? sheet.range : null;
    if (sheet.colour === "map") {
      limit = 0;
      for (let p = n * size; p < (n + 1) * size; p++) limit = Math.max(limit, Math.abs(tiles.data[p]) || 0);
    }
    paint(tiles.data, n * size, size, pixels, ramp, limit, grey);
    const top = Math.floor(n / across) * pitch[0];
    const left = (n % across) * pitch[1];
    for (let y = 0; y < rows; y++) {
      const start = (top + y * scale) * width + left;
      for (let x = 0; x < columns; x++) {
        const colour = pixels[y * columns + x];
        for (let s = 0; s < scale; s++) out[start + x * scale + s] = colour;
      }
      for (let s = 1; s < scale; s++) out.copyWithin(start + s * width, start, start + columns * scale);
    }
  }
  pen.putImageData(image, 0, 0);
}

/**
 * A canvas with the picture of one map, one pixel a number, to be drawn enlarged.
 * @param {Patch} patch  a whole activation
 * @param {Layer} layer @param {number} map @param {Ramp} ramp @param {number} limit @param {[number, number] | null} grey
 */
function mapPicture(patch, layer, map, ramp, limit, grey) {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = mapSize(layer, patch.whole);
  const pen = penOf(canvas);
  const image = pen.createImageData(canvas.width, canvas.height);
  paint(mapPlane(patch, layer, map), 0, canvas.width * canvas.height, new Uint32Array(image.data.buffer), ramp, limit, grey);
  pen.putImageData(image, 0, 0);
  return canvas;
}

/** One map of a whole activation as a row of numbers. @param {Patch} patch @param {Layer} layer @param {number} map */
function mapPlane(patch, layer, map) {
  const [rows, columns] = mapSize(layer, patch.whole);
  const strides = stridesOf(patch.whole);
  const step = layer.axes.columns === null ? 0 : strides[layer.axes.columns];
  const plane = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    let from = position(layer, patch.whole, { map, row, column: 0 }).reduce((sum, p, axis) => sum + p * strides[axis], 0);
    for (let column = 0; column < columns; column++, from += step) plane[row * columns + column] = patch.data[from];
  }
  return plane;
}

/** @param {number[]} shape */
function stridesOf(shape) {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/** The number at a position of a patch. @param {Patch} patch @param {number[]} at */
function numberAt(patch, at) {
  const strides = stridesOf(patch.shape);
  return patch.data[at.reduce((sum, p, axis) => sum + (p - patch.origin[axis]) * strides[axis], 0)];
}

/** Sizes with × between them. @param {(number | string | null)[] | null} sizes */
const times = (sizes) => (sizes === null ? "?" : sizes.length ? sizes.map((s) => s ?? "?").join("×") : "one number");

/** A whole number with thousands apart. @param {number | string | null} value */
function grouped(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? value.toLocaleString("en-US").replace("-", "−") : value;
}
/* ---- The page's frame ------------------------------------------------------------------------------------ */

/** @typedef {{element: HTMLElement, show: () => void, hide?: () => void}} Screen  show is called after every move */

const KEYS = [
  ["← ↑ → ↓", "move the pixel; with Shift by 8"],
  [", .", "the map before, the next one"],
  ["[ ]", "the layer before, the next one"],
  ["m", "the next mental model"],
  ["c", "the next colour scale"],
  ["/", "find a layer"],
  ["Enter", "open what has the focus: go down to it"],
  ["Esc", "go up again: to where you came from"],
  ["?", "this help"],
];

/** Everything that is on the page. */
class App {
  /** @param {Model} model @param {HTMLElement} root @param {Link} link @param {Network} net @param {Place} place */
  constructor(model, root, link, net, place) {
    this.root = root;
    this.link = link;
    this.net = net;
    this.place = place;
    this.alone = Boolean(model.get("page")); // whether the page is ours: its address, its keys, its title
    this.closing = new AbortController();
    this.mark = `cs${Math.random().toString(36).slice(2, 8)}`; // ids differ from other explorers' on the page
    /** @type {Place[]} where Esc goes back to */
    this.trail = [];
    this.dark = window.matchMedia("(prefers-color-scheme: dark)");
    /** @type {Scheme | null} chosen by hand */
    this.scheme = null;
    this.ramp = new Ramp(this.dark.matches ? "dark" : "light");
    this.status = h("p", { class: "cs-live", "aria-live": "polite" });
    this.banner = h("div", { class: "cs-banner", role: "status", hidden: true });
    this.source = h("span", { class: "cs-source" });
    this.main = h("div", { class: "cs-screen", role: "tabpanel", id: this.id("screen"), tabindex: "-1" });
    this.tabs = new Map(screens.map((screen) => [screen, h("button", {
      class: "cs-tab", role: "tab", id: this.id(`tab-${screen}`), "aria-controls": this.id("screen"), onclick: () => this.go({ screen }),
    }, SCREENS[screen])]));
    this.ribbon = new Ribbon(this);
    this.microscope = new Microscope(this);
    /** @type {Record<keyof typeof SCREENS, Screen>} */
    this.screens = { stack: new Stack(this), microscope: this.microscope, models: new Models(this), whatif: new WhatIf(this), input: new Input(this) };
    /** @type {Screen | null} */
    this.shown = null;
    this.help = dialog("Keys", h("table", { class: "cs-keys" }, h("tbody", null,
      KEYS.map(([keys, what]) => h("tr", null, h("th", { scope: "row" }, h("kbd", null, keys)), h("td", null, what))))));
    this.finder = new Finder(this);
    const tool = (/** @type {string} */ sign, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      h("button", { class: "cs-tool", "aria-label": label, title: label, onclick }, sign);
    /** @type {string[]} */
    const warnings = net.told.warnings;
    fill(root,
      h("header", { class: "cs-head" },
        h("h1", null, h("span", { class: "cs-brand" }, "convscope"), " ", h("span", { class: "cs-net" }, net.name), this.source),
        h("div", { class: "cs-tabs", role: "tablist", "aria-label": "Screens" }, [...this.tabs.values()]),
        h("div", { class: "cs-tools" }, tool("⌕", "Find a layer (/)", () => this.finder.open()), tool("?", "Help: keys (?)", () => this.help.showModal()),
          tool("◐", "Light or dark", () => this.setScheme(this.ramp.scheme === "light" ? "dark" : "light")))),
      this.banner,
      warnings.length ? h("details", { class: "cs-warnings" }, h("summary", null, `${warnings.length} remarks on the file`), h("ul", null, warnings.map((w) => h("li", null, w)))) : null,
      this.ribbon.element, this.main, this.status, this.help, this.finder.element);
    const { signal } = this.closing;
    this.dark.addEventListener("change", () => this.setScheme(this.scheme), { signal });
    if (this.alone) {
      document.title = `${net.name} · convscope`;
      window.addEventListener("hashchange", () => this.addressed(), { signal });
    }
    (this.alone ? document : root).addEventListener("keydown", (event) => keyed(this, /** @type {KeyboardEvent} */ (event)), { signal });
    let frame = 0;
    const watching = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => this.refresh());
    });
    watching.observe(root);
    signal.addEventListener("abort", () => watching.disconnect());
    this.setScheme(null);
  }

  close() {
    this.closing.abort();
    this.link.close();
    this.root.remove();
  }

  /** @param {string} name */
  id(name) {
    return `${this.mark}-${name}`;
  }

  /**
   * Go somewhere else.
   * @param {Partial<Place>} change
   * @param {{down?: boolean, quiet?: boolean}} [how]  down: Esc comes back here; quiet: the address stays
   */
  go(change, { down = false, quiet = false } = {}) {
    if (down) this.trail.push({ ...this.place, at: [...this.place.at] });
    this.place = { ...this.place, ...change };
    if (this.alone && !quiet) {
      const address = `#${placeText(this.place, this.net)}`;
      if (address !== location.hash) {
        if (change.screen || change.layer) history.pushState(null, "", address);
        else history.replaceState(null, "", address);
      }
    }
    this.refresh();
  }

  addressed() {
    this.place = parsePlace(location.hash.slice(1), this.net, this.place);
    this.refresh();
  }

  up() {
    const before = this.trail.pop();
    if (before) this.go(before);
    else if (this.place.screen !== "stack") this.go({ screen: "stack" });
  }

  refresh() {
    const { net, place } = this;
    for (const [screen, tab] of this.tabs) {
      tab.setAttribute("aria-selected", String(screen === place.screen));
      tab.tabIndex = screen === place.screen ? 0 : -1;
    }
    this.main.setAttribute("aria-labelledby", this.id(`tab-${place.screen}`));
    say(this.source, net.run ? net.run.source : "no image yet");
    const screen = this.screens[place.screen];
    if (this.shown !== screen) {
      this.shown?.hide?.();
      fill(this.main, screen.element);
      this.shown = screen;
    }
    this.ribbon.show();
    screen.show();
  }

  /** Tell people who listen rather than look. @param {string} sentence */
  tell(sentence) {
    say(this.status, sentence);
  }

  /** @param {Scheme | null} scheme */
  setScheme(scheme) {
    this.scheme = scheme;
    const now = scheme ?? (this.dark.matches ? "dark" : "light");
    this.root.dataset.scheme = now;
    if (this.ramp.scheme !== now) this.ramp = new Ramp(now);
    this.refresh();
  }

  /** A new run: every screen shows it. @param {Run} run @param {Partial<Place>} [change] */
  async ran(run, change = {}) {
    this.net.run = run;
    const shape = this.net.shape(this.place.layer);
    const at = this.place.at.map((p, axis) => Math.min(p, Math.max(0, shape[axis] - 1)));
    this.go({ at, ...change });
  }

  /** @param {string} status @param {string} text */
  hostIs(status, text) {
    const lost = status !== "back";
    fill(this.banner, lost ? text || "The server does not answer. This page goes on when it is back." : "The server is back.");
    this.banner.hidden = false;
    this.banner.classList.toggle("cs-lost", lost);
    if (!lost) {
      setTimeout(() => (this.banner.hidden = true), 2500);
      this.refresh();
    }
  }

  /** Show what went wrong where an answer should be. @param {Element} where @param {unknown} error */
  failed(where, error) {
    fill(where, h("p", { class: "cs-error", role: "alert" }, message(error)));
  }
}

/** @param {unknown} error */
const message = (error) => (error instanceof Error ? error.message : String(error));

/** @param {string} title @param {...Child} children */
function dialog(title, ...children) {
  const close = h("button", { class: "cs-tool", "aria-label": "Close" }, "×");
  const made = h("dialog", { class: "cs-dialog", "aria-label": title }, h("header", null, h("h2", null, title), close), ...children);
  close.addEventListener("click", () => made.close());
  made.addEventListener("click", (event) => event.target === made && made.close());
  return made;
}

/** Where to begin: the first layer whose filters read several maps, or else the first with an equation. @param {Network} net */
function firstLayer(net) {
  const layers = [...net.layers.values()].filter((layer) => !layer.input);
  const deep = layers.find((layer) => {
    const feed = net.layer(layer.inputs[0]);
    return layer.equation && layer.macs && feed && layer.axes.rows !== null && mapsOf(feed, net.shape(feed.name)) > 3;
  });
  return (deep ?? layers.find((layer) => layer.equation) ?? layers[0] ?? net.layer(net.names[0])).name;
}

/** The position of a layer's largest number: where there is most to see. @param {Network} net @param {string} name */
async function liveliest(net, name) {
  const shape = net.shape(name);
  if (!net.has(name) || count(shape) > WHOLE) return shape.map(() => 0);
  const patch = await net.ask(net.values(name)).catch(() => null); // a file may not hold it, and says so later
  if (!patch) return shape.map(() => 0);
  const { data } = patch;
  let best = 0;
  for (let n = 1; n < data.length; n++) if (data[n] > data[best]) best = n;
  return stridesOf(shape).map((stride, axis) => Math.floor(best / stride) % shape[axis]);
}

/** Finding a layer by a part of its name or kind. */
class Finder {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.list = h("ul", { class: "cs-found" });
    this.input = h("input", { type: "search", placeholder: "a part of a layer's name or kind", "aria-label": "Find a layer", oninput: () => this.find() });
    this.element = dialog("Find a layer", this.input, this.list);
  }

  open() {
    this.input.value = "";
    this.find();
    this.element.showModal();
    this.input.focus();
  }

  find() {
    const { net } = this.app;
    const wanted = this.input.value.trim().toLowerCase();
    const found = net.names.filter((name) => `${name} ${net.layer(name).kind}`.toLowerCase().includes(wanted));
    fill(this.list,
      found.slice(0, 50).map((name) => h("li", null, h("button", {
        onclick: () => {
          this.element.close();
          openLayer(this.app, name);
        },
      }, name, " ", h("span", { class: "cs-dim" }, `${net.layer(name).kind} ${times(net.shape(name))}`)))),
      found.length > 50 ? h("li", { class: "cs-dim" }, `and ${found.length - 50} more`) : null,
      found.length ? null : h("li", { class: "cs-dim" }, "no layer of this network has that in its name"));
  }
}

/** Look at a layer: at the same pixel where it has one, else at its liveliest number. @param {App} app @param {string} name */
async function openLayer(app, name) {
  const { net } = app;
  const screen = app.place.screen === "input" ? "microscope" : app.place.screen;
  app.go({ layer: name, at: await liveliest(net, name), screen });
}

/* ---- The ribbon: the whole network, from left to right --------------------------------------------------- */

const CARD = { width: 92, height: 84, across: 116, down: 98, top: 14, thumb: 40 };

/** Every layer a card, branches beside one another; only the cards in view are made. */
class Ribbon {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    const layers = [...app.net.layers.values()];
    this.columns = Math.max(...layers.map((l) => l.place[0])) + 1;
    this.lanes = Math.max(...layers.map((l) => l.place[1])) + 1;
    this.order = layers.sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
    this.width = this.columns * CARD.across;
    this.height = this.lanes * CARD.down + CARD.top;
    this.lines = svg("svg", { class: "cs-lines", width: this.width, height: this.height, "aria-hidden": "true" });
    this.cards = h("div", { class: "cs-cards" });
    this.cards.style.width = `${this.width}px`;
    this.cards.style.height = `${this.height}px`;
    this.cards.append(this.lines);
    this.element = h("nav", { class: "cs-ribbon", "aria-label": "Layers, from input to output", tabindex: "0" }, this.cards);
    this.element.addEventListener("scroll", () => this.later(), { passive: true });
    /** @type {Map<string, {button: HTMLButtonElement, canvas: HTMLCanvasElement, drawn: string}>} */
    this.made = new Map();
    this.pending = 0;
    this.last = "";
  }

  later() {
    cancelAnimationFrame(this.pending);
    this.pending = requestAnimationFrame(() => this.draw());
  }

  show() {
    const { place, net } = this.app;
    if (place.layer !== this.last) {
      this.last = place.layer;
      const [column, lane] = net.layer(place.layer).place;
      const left = column * CARD.across - this.element.clientWidth / 2 + CARD.width / 2;
      const near = Math.abs(this.element.scrollLeft - left) < this.element.clientWidth / 2 - CARD.width;
      if (!near) this.element.scrollLeft = left;
      this.element.scrollTop = lane * CARD.down - this.element.clientHeight / 2 + CARD.down / 2;
    }
    this.draw();
  }

  draw() {
    const { net, place, ramp } = this.app;
    const from = this.element.scrollLeft - 2 * CARD.across;
    const to = this.element.scrollLeft + this.element.clientWidth + 2 * CARD.across;
    const [first, last] = [Math.floor(from / CARD.across), Math.ceil(to / CARD.across)];
    const inView = new Set();
    this.lines.replaceChildren();
    for (const layer of this.order) {
      const column = layer.place[0];
      const starts = Math.min(column, ...layer.inputs.map((i) => net.layer(i)?.place[0] ?? column));
      if (starts > last || column < first) {
        if (starts > last && column > last + 1) break;
        continue;
      }
      for (const input of layer.inputs) {
        const feed = net.layer(input);
        if (feed) this.lines.append(wire(feed.place, layer.place, input === place.layer || layer.name === place.layer));
      }
      if (column > last) continue;
      inView.add(layer.name);
      let card = this.made.get(layer.name);
      if (!card) {
        card = this.make(layer);
        this.made.set(layer.name, card);
        this.cards.append(card.button);
      }
      const current = layer.name === place.layer;
      if (current) card.button.setAttribute("aria-current", "true");
      else card.button.removeAttribute("aria-current");
      this.thumb(layer, card, ramp);
    }
    for (const [name, card] of this.made) {
      if (inView.has(name) || card.button === document.activeElement) continue;
      card.button.remove();
      this.made.delete(name);
    }
  }

  /** @param {Layer} layer */
  make(layer) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const { net } = this.app;
    const shape = times(net.shape(layer.name));
    const button = h("button", {
      class: "cs-card", title: `${layer.name} (${layer.kind})`, "aria-label": `${layer.name}, ${layer.kind}, ${shape}`,
      onclick: () => openLayer(this.app, layer.name),
    }, h("span", { class: "cs-card-name" }, layer.name.length > 13 ? `…${layer.name.slice(-11)}` : layer.name), h("span", { class: "cs-card-shape" }, shape), h("span", { class: "cs-thumb" }, canvas));
    button.style.left = `${layer.place[0] * CARD.across + 12}px`;
    button.style.top = `${layer.place[1] * CARD.down + CARD.top}px`;
    return { button, canvas, drawn: "" };
  }

  /** @param {Layer} layer @param {{button: HTMLButtonElement, canvas: HTMLCanvasElement, drawn: string}} card @param {Ramp} ramp */
  async thumb(layer, card, ramp) {
    const { net } = this.app;
    const key = `${net.run?.id} ${ramp.scheme}`;
    if (card.drawn === key || !net.has(layer.name)) return;
    card.drawn = key;
    say(/** @type {Element} */ (card.button.querySelector(".cs-card-shape")), times(net.shape(layer.name)));
    const shape = net.shape(layer.name);
    const number = mapsOf(layer, shape);
    const [rows, columns] = mapSize(layer, shape);
    if (rows === 1) {
      const tiles = await net.tiles(layer.name, [0], 1024).catch(() => null);
      if (tiles) drawRow(card.canvas, tiles, ramp, net.limit(layer.name));
      return;
    }
    const across = number >= 9 ? 3 : number >= 4 ? 2 : 1;
    const side = Math.max(4, Math.floor((CARD.thumb * 2) / across));
    const maps = Array.from({ length: Math.min(number, across * across) }, (_, n) => n);
    const tiles = await net.tiles(layer.name, maps, side).catch(() => null);
    if (!tiles) return;
    const scale = Math.max(1, Math.floor(side / Math.max(rows, columns)));
    const range = net.range(layer.name);
    drawSheet(card.canvas, { tiles, across, scale, gap: 2, colour: layer.input && range[0] >= 0 ? "grey" : "layer", limit: net.limit(layer.name), range }, ramp);
  }
}

/** A line from one card to another; one that passes over others bows. @param {[number, number]} a @param {[number, number]} b @param {boolean} lit */
function wire(a, b, lit) {
  const x1 = a[0] * CARD.across + 12 + CARD.width;
  const x2 = b[0] * CARD.across + 12;
  const y1 = a[1] * CARD.down + CARD.top + CARD.height - CARD.thumb / 2 - 4;
  const y2 = b[1] * CARD.down + CARD.top + CARD.height - CARD.thumb / 2 - 4;
  const far = b[0] - a[0] > 1 && a[1] === b[1];
  const top = a[1] * CARD.down + CARD.top - 10;
  const bend = Math.min(60, (x2 - x1) / 2);
  const d = far
    ? `M${x1} ${y1} C${x1 + 14} ${y1} ${x1 + 4} ${top} ${x1 + 34} ${top} L${x2 - 34} ${top} C${x2 - 4} ${top} ${x2 - 14} ${y2} ${x2} ${y2}`
    : `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  return svg("path", { d, class: lit ? "cs-wire cs-lit" : "cs-wire" });
}

/** A row of numbers as bars around zero; many of them as a band of colours. @param {HTMLCanvasElement} canvas @param {Tiles} tiles @param {Ramp} ramp @param {number} limit */
function drawRow(canvas, tiles, ramp, limit) {
  const data = tiles.data;
  const [width, height] = [84, CARD.thumb];
  const context = sized(canvas, width, height);
  const low = data.some((v) => v < 0);
  const zero = low ? height / 2 : height - 1;
  const room = low ? height / 2 - 1 : height - 2;
  const step = Math.max(1, Math.ceil(data.length / width));
  const bars = Math.ceil(data.length / step);
  const wide = width / bars;
  for (let bar = 0; bar < bars; bar++) {
    let value = 0;
    for (let n = bar * step; n < Math.min(data.length, (bar + 1) * step); n++) if (Math.abs(data[n]) > Math.abs(value)) value = data[n];
    const tall = limit > 0 ? (value / limit) * room : 0;
    context.fillStyle = ramp.of(value < 0 ? -1 : 1, 1);
    context.fillRect(bar * wide, Math.min(zero, zero - tall), Math.max(wide - (wide > 4 ? 2 : 0), 0.75), Math.max(Math.abs(tall), 0.5));
  }
  context.fillStyle = ramp.line;
  context.globalAlpha = 0.4;
  context.fillRect(0, zero, width, 1);
}

/* ---- An atlas: the maps of one layer, beside one another ------------------------------------------------- */

/** Maps on one canvas, in any order, a page at a time; says which pixel is under the pointer. */
class Atlas {
  /**
   * @param {App} app
   * @param {string} label
   * @param {{picked: (spot: Spot) => void, over?: (spot: Spot | null) => void}} heard
   */
  constructor(app, label, heard) {
    this.app = app;
    this.canvas = h("canvas", { class: "cs-atlas", role: "img", "aria-label": label });
    this.marker = h("span", { class: "cs-marker", hidden: true });
    this.element = h("div", { class: "cs-sheet" }, this.canvas, this.marker);
    /** @type {(Sheet & {layer: Layer, side: number}) | null} */
    this.sheet = null;
    this.turn = 0;
    this.canvas.addEventListener("click", (event) => {
      const spot = this.spot(event);
      if (spot) heard.picked(spot);
    });
    this.canvas.addEventListener("pointermove", (event) => heard.over?.(this.spot(event)));
    this.canvas.addEventListener("pointerleave", () => heard.over?.(null));
  }

  /**
   * Draw maps of a layer.
   * @param {string} name
   * @param {number[]} maps
   * @param {{width: number, side: number, least?: number}} how  room, and the largest and least side of a tile
   */
  async draw(name, maps, { width, side, least = 1 }) {
    const turn = ++this.turn;
    const { net, place } = this.app;
    const layer = net.layer(name);
    const [rows, columns] = mapSize(layer, net.shape(name));
    const fits = Math.max(rows, columns) > side;
    const tiles = await net.tiles(name, maps, side);
    if (turn !== this.turn) return;
    const largest = Math.max(tiles.tile[0], tiles.tile[1]);
    const scale = Math.max(1, fits ? 1 : Math.floor(side / largest), Math.ceil(least / largest));
    const gap = largest * scale > 12 ? 3 : 2;
    const across = Math.max(1, Math.min(maps.length, Math.floor((width + gap) / (tiles.tile[1] * scale + gap))));
    const range = net.range(name);
    this.sheet = { tiles, across, scale, gap, colour: layer.input && range[0] >= 0 ? "grey" : place.colour, limit: net.limit(name), range, layer, side };
    drawSheet(this.canvas, this.sheet, this.app.ramp);
  }

  /** @param {MouseEvent} event @returns {Spot | null} */
  spot(event) {
    if (!this.sheet) return null;
    const { tiles, across, scale, gap } = this.sheet;
    const shrink = this.canvas.width / (this.canvas.clientWidth || 1);
    const [x, y] = [event.offsetX * shrink, event.offsetY * shrink];
    const [tall, wide] = [tiles.tile[0] * scale + gap, tiles.tile[1] * scale + gap];
    const n = Math.floor(y / tall) * across + Math.floor(x / wide);
    if (n < 0 || n >= tiles.maps.length || Math.floor(x / wide) >= across) return null;
    const part = [tiles.of[0] / tiles.tile[0], tiles.of[1] / tiles.tile[1]];
    const inside = (/** @type {number} */ v, /** @type {number} */ axis) =>
      Math.min(tiles.of[axis] - 1, Math.max(0, Math.floor((v / scale) * part[axis])));
    return { map: tiles.maps[n], row: inside(y % tall, 0), column: inside(x % wide, 1) };
  }

  /** The number under a spot, where the tile has every number. @param {Spot} spot @returns {number | null} */
  value(spot) {
    if (!this.sheet) return null;
    const { tiles } = this.sheet;
    if (tiles.of[0] !== tiles.tile[0] || tiles.of[1] !== tiles.tile[1]) return null;
    const n = tiles.maps.indexOf(spot.map);
    return tiles.data[(n * tiles.tile[0] + spot.row) * tiles.tile[1] + spot.column];
  }

  /** Put a frame around a map. @param {number | null} map */
  mark(map) {
    const n = map === null || !this.sheet ? -1 : this.sheet.tiles.maps.indexOf(map);
    this.marker.hidden = n < 0;
    if (n < 0 || !this.sheet) return;
    const { tiles, across, scale, gap } = this.sheet;
    const [tall, wide] = [tiles.tile[0] * scale, tiles.tile[1] * scale];
    Object.assign(this.marker.style, {
      left: `${(n % across) * (wide + gap)}px`, top: `${Math.floor(n / across) * (tall + gap)}px`,
      width: `${wide}px`, height: `${tall}px`,
    });
  }
}

/* ---- The stack ------------------------------------------------------------------------------------------- */

const FIRST_MAPS = 64; // how many maps of a layer are shown until more are asked for
const PAGE = 2048; // and then at once

/** Every layer, one below the other, with its maps and its figures. */
class Stack {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.filter = h("input", { type: "search", placeholder: "filter layers", "aria-label": "Filter layers by name or kind", oninput: () => this.list() });
    this.active = h("input", { type: "checkbox", onchange: () => this.redraw() });
    this.sort = h("select", { "aria-label": "Sort maps by", onchange: () => app.go({ sort: /** @type {any} */ (this.sort.value) }) },
      Object.entries(SORTS).map(([value, text]) => h("option", { value }, text)));
    this.colour = h("select", { "aria-label": "Colours", onchange: () => app.go({ colour: /** @type {any} */ (this.colour.value) }) },
      Object.entries(COLOURS).map(([value, text]) => h("option", { value }, text)));
    this.note = h("p", { class: "cs-dim cs-note" });
    this.rows = h("div", { class: "cs-rows" });
    this.end = h("div", { class: "cs-end" });
    this.legend = h("canvas", { class: "cs-legend", role: "img", "aria-label": "blue is negative, orange positive" });
    this.element = h("section", { class: "cs-stack" },
      h("div", { class: "cs-bar" },
        this.filter,
        h("label", null, "maps by ", this.sort), h("label", null, "colours: ", this.colour),
        h("label", null, this.active, " only maps that are not all zero"),
        h("span", { class: "cs-scale" }, "− ", this.legend, " +")),
      this.note, this.rows, this.end);
    /** @type {Map<string, StackRow>} */
    this.made = new Map();
    this.key = "";
    this.at = ""; // the layer that was last brought into view
    /** @type {string[]} */
    this.names = [];
    this.listed = 0;
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const row = /** @type {any} */ (entry.target).row;
        row.visible = entry.isIntersecting;
        if (row.visible) row.draw();
      }
    }, { rootMargin: "300px" });
    this.more = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && this.extend());
    this.more.observe(this.end);
    this.list();
  }

  show() {
    const { place, net, ramp } = this.app;
    this.sort.value = place.sort;
    this.colour.value = place.colour;
    const legend = sized(this.legend, 96, 10);
    for (let n = 0; n < 96; n++) {
      legend.fillStyle = ramp.of((n - 47.5) / 47.5, 1);
      legend.fillRect(n, 0, 1, 10);
    }
    const feeds = net.layer(place.layer).inputs;
    say(this.note, place.sort === "contribution"
      ? `Contribution: how much each map of ${feeds.join(" and ") || "no layer"} adds to ${place.layer} at (${place.at.join(", ")}), by size.`
      : "");
    const key = JSON.stringify([net.run?.id, place.sort, place.colour, ramp.scheme, place.sort === "contribution" ? [place.layer, place.at] : 0, this.rows.clientWidth]);
    if (key !== this.key) {
      this.key = key;
      this.redraw();
    }
    if (place.layer !== this.at && this.at !== "") this.to(place.layer);
    this.at = place.layer;
  }

  /** Bring a layer into view. @param {string} name */
  to(name) {
    while (!this.made.get(name)?.element.isConnected && this.listed < this.names.length) this.extend();
    this.made.get(name)?.element.scrollIntoView({ block: "start" });
  }

  list() {
    const wanted = this.filter.value.trim().toLowerCase();
    const { net } = this.app;
    this.names = net.names.filter((name) => `${name} ${net.layer(name).kind}`.toLowerCase().includes(wanted));
    this.seen.disconnect();
    this.rows.replaceChildren();
    this.listed = 0;
    if (!this.names.length) put(this.rows, h("p", { class: "cs-dim" }, "No layer of this network has that in its name or kind."));
    this.extend();
  }

  extend() {
    for (const name of this.names.slice(this.listed, this.listed + 60)) {
      let row = this.made.get(name);
      if (!row) {
        row = new StackRow(this, name);
        this.made.set(name, row);
      }
      this.rows.append(row.element);
      this.seen.observe(row.element);
    }
    this.listed = Math.min(this.listed + 60, this.names.length);
    if (this.listed < this.names.length) {  // ask again while the end is still in view
      this.more.unobserve(this.end);
      this.more.observe(this.end);
    }
  }

  redraw() {
    for (const row of this.made.values()) {
      row.stale = true;
      if (row.visible) row.draw();
    }
  }
}

/** One layer of the stack. */
class StackRow {
  /** @param {Stack} stack @param {string} name */
  constructor(stack, name) {
    this.stack = stack;
    this.name = name;
    this.visible = false;
    this.stale = true;
    this.open = false;
    this.page = 0;
    /** @type {number[]} */
    this.shown = [];
    const { app } = stack;
    const layer = app.net.layer(name);
    this.layer = layer;
    this.atlas = new Atlas(app, `The maps of ${name}`, {
      picked: (spot) => app.go({ screen: "microscope", layer: name, at: position(layer, app.net.shape(name), spot) }, { down: true }),
      over: (spot) => this.over(spot),
    });
    this.under = h("span", { class: "cs-under" });
    this.pager = h("div", { class: "cs-pager" });
    this.table = h("details", { class: "cs-table" }, h("summary", null, "The maps as a table"));
    this.table.addEventListener("toggle", () => this.tabulate());
    const weights = weightsText(layer.weights);
    this.facts = h("dl", { class: "cs-facts" });
    const facts = /** @type {[string, string][]} */ ([
      ["output", times(app.net.shape(name))],
      ...(weights ? [["weights", weights], ["parameters", grouped(layer.params)]] : []),
      ...(layer.macs ? [["MACs", grouped(layer.macs)]] : []),
      ...(layer.receptive_field ? [["sees", fieldText(layer.receptive_field)]] : []),
    ]);
    for (const [what, text] of facts) put(this.facts, h("div", null, h("dt", null, what), h("dd", null, text)));
    this.element = h("article", { class: "cs-row", "aria-label": name },
      h("header", null,
        h("h2", null, h("button", { class: "cs-link", onclick: () => openIn(app, name) }, name), " ", h("span", { class: "cs-dim" }, layer.kind)),
        this.facts),
      this.atlas.element, h("div", { class: "cs-row-foot" }, this.pager, this.under), this.table);
    /** @type {any} */ (this.element).row = this;
  }

  async draw() {
    if (!this.stale || !this.stack.app.net.has(this.name)) return;
    this.stale = false;
    const { net, place } = this.stack.app;
    const shape = net.shape(this.name);
    const number = mapsOf(this.layer, shape);
    say(/** @type {Element} */ (this.facts.querySelector("dd")), times(shape));
    let order = Array.from({ length: number }, (_, n) => n);
    let zero = 0;
    try {
      if (this.stack.active.checked) {
        const energy = await net.energy(this.name);
        order = order.filter((n) => energy[n] > 0);
        zero = number - order.length;
      }
      if (place.sort === "energy") {
        const energy = await net.energy(this.name);
        order.sort((a, b) => energy[b] - energy[a] || a - b);
      } else if (place.sort === "contribution") {
        const shares = await contributions(net, place.layer, place.at, this.name);
        if (shares) order.sort((a, b) => Math.abs(shares.get(b) ?? 0) - Math.abs(shares.get(a) ?? 0) || a - b);
      }
      const size = this.open ? PAGE : FIRST_MAPS;
      const pages = Math.max(1, Math.ceil(order.length / size));
      this.page = this.open ? Math.min(this.page, pages - 1) : 0;
      const shown = order.slice(this.page * size, (this.page + 1) * size);
      const width = Math.max(200, this.stack.rows.clientWidth - 2);
      const [rows] = mapSize(this.layer, shape);
      const vector = rows === 1 && number === 1;
      const side = vector ? Math.min(1024, count(shape)) : shown.length > 512 ? 28 : shown.length > 16 ? 56 : 112;
      if (shown.length) await this.atlas.draw(this.name, shown, { width, side: Math.max(side, 1), least: vector ? 12 : 1 });
      this.atlas.canvas.hidden = !shown.length;
      this.shown = shown;
      this.pages(order, size, pages, zero);
      this.tabulate();
    } catch (error) {
      this.stale = true;
      fill(this.under, message(error));
    }
  }

  /** How much is going on in each map, as a table: what stands for the pictures. */
  async tabulate() {
    const { net } = this.stack.app;
    if (!this.table.open || !net.has(this.name)) return;
    const energy = await net.energy(this.name).catch(() => []);
    const order = this.shown.length ? this.shown : energy.map((_, n) => n);
    fill(this.table, h("summary", null, "The maps as a table"), table(["map", "energy (mean of its squares)"], order.slice(0, 256).map((n) => [String(n), exact(energy[n])])));
  }

  /** @param {number[]} order @param {number} size @param {number} pages @param {number} zero */
  pages(order, size, pages, zero) {
    const turn = (/** @type {() => void} */ change) => () => {
      change();
      this.stale = true;
      this.draw();
    };
    const from = this.page * size;
    const to = Math.min(order.length, from + size);
    fill(this.pager,
      order.length > FIRST_MAPS
        ? h("button", { class: "cs-small", onclick: turn(() => (this.open = !this.open)) }, this.open ? "fewer" : `all ${grouped(order.length)} maps`)
        : null,
      this.open && pages > 1
        ? [h("button", { class: "cs-small", "aria-label": "maps before", disabled: this.page === 0, onclick: turn(() => this.page--) }, "‹"),
          ` maps ${grouped(from)} … ${grouped(to - 1)} of ${grouped(order.length)} `,
          h("button", { class: "cs-small", "aria-label": "more maps", disabled: this.page === pages - 1, onclick: turn(() => this.page++) }, "›")]
        : null,
      zero ? h("span", { class: "cs-dim" }, ` ${grouped(zero)} maps are all zero here`) : null);
  }

  /** @param {Spot | null} spot */
  over(spot) {
    this.atlas.mark(spot ? spot.map : null);
    if (!spot) return say(this.under, "");
    const value = this.atlas.value(spot);
    const at = position(this.layer, this.stack.app.net.shape(this.name), spot);
    say(this.under, `${this.name}(${at.join(", ")})${value === null ? "" : ` = ${decimal(value, places(value))}`}`);
  }
}

/** Open a layer's microscope at its liveliest number. @param {App} app @param {string} name */
async function openIn(app, name) {
  app.go({ screen: "microscope", layer: name, at: await liveliest(app.net, name) }, { down: true });
}

/** @param {Record<string, number[]>} weights */
const weightsText = (weights) => Object.entries(weights).map(([name, shape]) => `${name} ${times(shape)}`).join(", ");

/** @param {any} field */
function fieldText(field) {
  const stride = field.stride.some((/** @type {any} */ s) => s !== null && s !== 1) ? `, stride ${times(field.stride)}` : "";
  return `${times(field.size)} pixels${stride}`;
}

/**
 * How much each map of a layer adds to one number of a layer that it feeds; null if it does not feed it in a sum.
 * @param {Network} net
 * @param {string} name
 * @param {number[]} at
 * @param {string} feed
 * @returns {Promise<Map<number, number> | null>}
 */
async function contributions(net, name, at, feed) {
  if (!net.has(name) || !net.layer(name).inputs.includes(feed)) return null;
  const detail = await net.ask(net.detail(name));
  if (!detail.equation) return null;
  const found = ledger(detail.equation, at, await net.readsSoon(net.reads(detail, detail.equation, at)));
  if (!found.groups || detail.feeds[found.groups.tensor] !== feed) return null;
  const { channels, partials } = found.groups;
  return new Map(Array.from(channels, (channel, n) => [channel, partials[n]]));
}

/** How many decimals show a number of this size well. @param {number} largest */
function places(largest) {
  const size = Math.abs(largest);
  if (!Number.isFinite(size) || size === 0) return 6;
  return Math.max(2, Math.min(12, 5 - Math.floor(Math.log10(size))));
}
/* ---- The microscope -------------------------------------------------------------------------------------- */

const MOST_ROWS = 64; // so many input maps are shown one by one; of more the largest, and the rest in one
const TILE = { width: 224, height: 46, thumb: 38, cell: 7, gap: 6, plain: 168 }; // plain: without a window

/**
 * One number's account: what is added up, rounded so that what is shown adds up to what is shown.
 *
 * @param {any} led  a ledger
 * @param {string} feed  what the window reads
 */
export function account(led, feed) {
  const { groups } = led;
  const all = Array.from(groups.partials, (_, n) => n);
  /** @type {(a: number, b: number) => number} */
  const bySize = (a, b) => Math.abs(groups.partials[b]) - Math.abs(groups.partials[a]) || a - b;
  const largest = all.length > MOST_ROWS ? [...all].sort(bySize).slice(0, MOST_ROWS - 1) : all;
  const listed = [...largest].sort((a, b) => a - b);
  const values = listed.map((n) => groups.partials[n]);
  const one = groups.sizes.length ? "map" : "input";
  const names = listed.map((n) => `${one} ${groups.channels[n]}`);
  const others = all.length - listed.length;
  if (others) {
    const shown = new Set(listed);
    values.push(all.reduce((sum, n) => (shown.has(n) ? sum : sum + groups.partials[n]), 0));
    names.push(`the other ${grouped(others)} ${one}s`);
  }
  const sums = values.length;
  if (led.bias !== null) {
    values.push(led.bias);
    names.push("bias");
  }
  const adds = led.reduction !== "max" && values.every(Number.isFinite);
  const size = Math.max(...values.map(Math.abs), Math.abs(led.preactivation));
  const digits = places(size);
  const { texts, total } = adds
    ? addingUp(values, led.preactivation, digits)
    : { texts: values.map((v) => decimal(v, digits)), total: decimal(led.preactivation, digits) };
  return { listed, names, values, texts, sums, others, total, digits, feed };
}

/** A number that `decimal` wrote. @param {string} text */
const readBack = (text) => Number(text.replace("−", "-").replace("∞", "Infinity"));

/** With its sign in front, also a plus. @param {string} text */
const signed = (text) => (/^[−-]|^NaN|^0\.?0*$/.test(text) ? text : `+${text}`);

/** One output number, taken apart. */
class Microscope {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.turn = 0;
    this.opened = "";
    this.shape = ""; // which of its forms is on the screen
    this.equationShown = "";
    this.across = 0;
    /** @type {number | null} which tile or bar is lit */
    this.litTile = null;
    /** @type {string | null} which term of the equation */
    this.litTerm = null;
    /** @type {number[] | null} the position under the pointer */
    this.hover = null;
    /** @type {number | null} the group that the lens shows */
    this.picked = null;
    this.title = h("h2", { class: "cs-number" });
    this.reads = h("p", { class: "cs-reads" });
    this.equation = h("p", { class: "cs-equation", "aria-label": "The layer's equation" });
    this.map = new OutputMap(this);
    this.tiles = h("div", { class: "cs-tiles", role: "list" });
    this.picture = h("canvas", { class: "cs-tiles-picture", "aria-hidden": "true" });
    this.board = h("div", { class: "cs-board" }, this.picture, this.tiles);
    this.fall = new Waterfall(this);
    this.total = h("p", { class: "cs-total" });
    this.lens = new Lens(this);
    this.table = h("details", { class: "cs-table" }, h("summary", null, "The same as a table"));
    this.table.addEventListener("toggle", () => this.tabulate());
    this.listing = h("div", { class: "cs-listing" });
    this.aside = h("div", { class: "cs-aside" }, this.map.element);
    this.sum = h("div", { class: "cs-sum" });
    this.body = h("div", { class: "cs-micro-body" }, this.aside, this.sum);
    this.problem = h("div");
    this.element = h("section", { class: "cs-micro" }, h("div", { class: "cs-micro-head" }, this.title, this.reads), this.problem, this.body, this.equation);
    /** @type {{cells: {button: HTMLElement, value: HTMLElement, name: HTMLElement}[]}} */
    this.grid = { cells: [] };
    /** @type {Map<number, HTMLCanvasElement>} pictures of input maps */
    this.thumbs = new Map();
    this.thumbsOf = "";
    /** @type {any} what is on the screen */
    this.now = null;
  }

  /** The position that is shown: under the pointer, or where we are. */
  get at() {
    return this.hover ?? this.app.place.at;
  }

  hide() {
    this.hover = null;
  }

  show() {
    const { net, place } = this.app;
    const key = JSON.stringify([net.run?.id, place.layer]);
    if (key !== this.opened) {
      this.opened = key;
      this.hover = this.picked = null;
      this.now = null;
    }
    this.map.show();
    this.draw();
  }

  /** Take the number apart, at once if all that it reads is at hand. */
  draw() {
    const { net, place } = this.app;
    const turn = ++this.turn;
    const layer = net.layer(place.layer);
    if (!net.run) return this.only("No image has gone through the network yet: choose one under Input.");
    if (!net.has(place.layer)) return this.only(`${layer.name} has no numbers in this run.`);
    if (layer.input) return this.pixel(layer);
    if (!layer.equation) {
      return this.only(`${layer.name} (${layer.kind}) has no equation, so its numbers cannot be taken apart; what it gave is shown.`);
    }
    const at = this.at;
    const detail = net.now(net.detail(place.layer));
    const values = detail && net.readsNow(net.reads(detail, detail.equation, at));
    if (detail && values) return this.account(detail, values, at);
    (async () => {
      const told = await net.ask(net.detail(place.layer));
      const fetched = await net.readsSoon(net.reads(told, told.equation, at));
      if (turn === this.turn) this.account(told, fetched, at);
    })().catch((error) => turn === this.turn && this.app.failed(this.problem, error));
  }

  /** @param {string} sentence */
  only(sentence) {
    fill(this.problem);
    fill(this.title, this.app.place.layer);
    say(this.reads, sentence);
    fill(this.equation);
    fill(this.sum);
    this.now = null;
    this.shape = "";
  }

  /** A number of the image itself. @param {Layer} layer */
  pixel(layer) {
    const { net } = this.app;
    const at = this.at;
    fill(this.problem);
    fill(this.equation);
    this.shape = "";
    const value = this.map.value(at);
    fill(this.title, "One number of the image: ", h("b", null, layer.name), ` (${at.join(", ")}) = `,
      h("output", null, value === null ? "…" : exact(value)));
    const pixel = value !== null && net.run?.steps.at(-1)?.step === "divide by 255" ? `It is ${Math.round(value * 255)} ÷ 255. ` : "";
    say(this.reads, `${pixel}Nothing else made this number: it is what goes in. Esc goes back up.`);
    fill(this.sum, h("p", { class: "cs-caption" }, "the pixel and those around it"), pixelTable(this.map, layer, at), steps(net.run));
    this.app.tell(`${layer.name}(${at.join(", ")}) = ${value === null ? "" : exact(value)}`);
  }

  /**
   * Show the arithmetic of one number.
   * @param {Detail} detail
   * @param {Record<string, Patch>} values
   * @param {number[]} at
   */
  account(detail, values, at) {
    const { net, place } = this.app;
    const layer = net.layer(place.layer);
    const led = ledger(detail.equation, at, values);
    const engine = this.map.value(at);
    fill(this.problem);
    this.now = { led, detail, values, at, engine, layer };
    if (led.groups) this.grouped();
    else this.readings();
    this.heading();
    this.equationText(detail.equation.text, detail);
    this.tabulate();
    const where = layer.axes.maps === null ? `${layer.name}(${at.join(", ")})` : `${layer.name}[${at[layer.axes.maps]}] at ${at.filter((_, a) => a !== layer.axes.maps).join(",")}`;
    this.app.tell(`${where} = ${decimal(led.value, 3)}`);
  }

  /** "One number of conv2d_1: map 12 at row 5, column 7 = 0.3182", and what it reads. */
  heading() {
    const { led, detail, at, layer } = this.now;
    const words = detail.equation.axes.map((/** @type {number} */ axis, /** @type {number} */ n) => {
      const { word, name } = detail.equation.index[axis];
      return `${word === "filter" || word === "channel" ? "map" : word || name} ${at[n]}`;
    });
    const digits = this.now.account?.digits ?? places(led.value);
    fill(this.title, "One number of ", h("b", null, layer.name), `: ${words.join(", ")} = `, h("output", null, decimal(led.value, digits)));
    say(this.reads, this.sentence());
  }

  sentence() {
    const { led, detail } = this.now;
    const { groups } = led;
    if (!groups) return `It reads ${led.readings.length === 1 ? "one number" : `${led.readings.length} numbers`}: no sum of many, only what is listed.`;
    const feed = detail.feeds[groups.tensor] ?? groups.tensor;
    const window = groups.sizes;
    const total = grouped(led.terms);
    const many = groups.count;
    const verb = { sum: groups.products ? "adds up the products to" : "adds them up to", max: "takes the largest of them as its", mean: "takes their mean as its" }[/** @type {"sum"} */ (led.reduction)];
    const padded = led.groups.inside.reduce((/** @type {number} */ n, /** @type {number} */ inside) => n + (inside ? 0 : 1), 0);
    const outside = padded ? ` ${grouped(padded)} of them lie in the padding (hatched).` : "";
    if (many > 1 && window.length) {
      return `It reads ${[...window, many].join(" × ")} = ${total} numbers: a ${times(window)} window of every one of the ${grouped(many)} maps of ${feed}. All ${grouped(many)} go in; one number comes out.${outside}`;
    }
    if (many > 1) return `It reads ${total} numbers of ${feed}, each with a weight of its own, and ${verb} one number.`;
    return `It reads ${window.length ? `${times(window)} = ` : ""}${total} number${led.terms === 1 ? "" : "s"}, all from map ${groups.channels[0]} of ${feed}, and ${verb} one number.${outside}`;
  }

  /** Terms grouped by input map: tiles, waterfall, total, lens. */
  grouped() {
    const { led, detail } = this.now;
    const { groups } = led;
    const acc = account(led, detail.feeds[groups.tensor] ?? groups.tensor);
    this.now.account = acc;
    const single = groups.count === 1;
    const shape = single ? "single" : "many";
    if (this.shape !== shape) {
      this.shape = shape;
      this.element.classList.toggle("cs-single", single);
      if (single) {
        fill(this.sum, this.total, this.lens.element, this.table);
        fill(this.aside, this.map.element);
      } else {
        fill(this.sum, this.total, this.board, this.fall.element, this.table);
        fill(this.aside, this.map.element, this.lens.element);
      }
    }
    if (!single) {
      this.layTiles();
      this.fall.draw(this.now);
    }
    this.totals();
    this.lens.draw(this.lensGroup());
  }

  /** Which group the lens shows: the picked one, or the one that weighs most. */
  lensGroup() {
    const { led, account: acc } = this.now;
    if (this.picked !== null && acc.listed.includes(this.picked)) return this.picked;
    let best = acc.listed[0];
    for (const n of acc.listed) if (Math.abs(led.groups.partials[n]) > Math.abs(led.groups.partials[best])) best = n;
    return best;
  }

  /** Input maps as tiles: the map with its window, window × slice = products, the partial sum. */
  layTiles() {
    const { led, account: acc } = this.now;
    const { groups } = led;
    const rows = acc.sums;
    while (this.grid.cells.length < rows) {
      const n = this.grid.cells.length;
      const name = h("span", { class: "cs-tile-name" });
      const value = h("span", { class: "cs-tile-value" });
      const button = h("button", {
        class: "cs-tile",
        onclick: (/** @type {MouseEvent} */ event) => this.pick(n, event),
        onpointerenter: () => this.light(n), onpointerleave: () => this.light(null),
        onfocus: () => this.light(n),
      }, name, value);
      this.grid.cells.push({ button, value, name });
    }
    if (this.tiles.childElementCount !== rows) {
      fill(this.tiles, this.grid.cells.slice(0, rows).map((cell) => h("div", { role: "listitem" }, cell.button)));
      this.across = 0;
    }
    const plain = !groups.sizes.length;
    const tile = plain ? TILE.plain : TILE.width;
    const across = Math.max(1, Math.min(rows, Math.floor(((this.board.clientWidth || tile) + TILE.gap) / (tile + TILE.gap))));
    if (across !== this.across) {
      this.across = across;
      this.tiles.style.gridTemplateColumns = `repeat(${across}, ${tile}px)`;
      this.tiles.classList.toggle("cs-plain", plain);
    }
    this.picture.hidden = plain;
    const short = (/** @type {number} */ v) => decimal(v, Math.min(3, places(v)));
    for (let n = 0; n < rows; n++) {
      const cell = this.grid.cells[n];
      const group = acc.listed[n];
      say(cell.name, plain && group !== undefined && groups.products
        ? `${groups.channels[group]}: ${short(groups.windows[group])} × ${short(groups.kernels[group])}` : acc.names[n]);
      say(cell.value, signed(acc.texts[n]));
    }
    if (plain) {
      this.grid.cells.slice(0, rows).forEach((cell, n) => cell.button.classList.toggle("cs-lit", n === this.litTile));
      return;
    }
    const down = Math.ceil(rows / across);
    const context = sized(this.picture, across * (TILE.width + TILE.gap) - TILE.gap, down * (TILE.height + TILE.gap) - TILE.gap);
    this.paintTiles(context, groups, acc);
  }

  /** @param {Pen} context @param {any} groups @param {any} acc */
  paintTiles(context, groups, acc) {
    const { net, ramp, place } = this.app;
    const feed = this.now.detail.feeds[groups.tensor];
    const layer = feed ? net.layer(feed) : null;
    const sizes = groups.sizes;
    const [tall, wide] = sizes.length ? [count(sizes.slice(0, -1)), sizes[sizes.length - 1]] : [1, 1];
    const room = Math.floor((TILE.width - TILE.thumb - 8 - 2 * 14 - 84) / 3);
    const cell = Math.max(0.5, Math.min(TILE.cell, room / wide, (TILE.height - 8) / tall));
    const per = tall * wide;
    const limits = [feed && net.limit(feed), largestOf(groups.kernels), largestOf(groups.products)];
    const box = this.windowBox(feed, groups);
    const patch = feed && net.activation(feed);
    const picture = patch && layer && layer.axes.rows !== null;
    const mark = `${net.run?.id} ${feed} ${ramp.scheme} ${place.colour}`;
    if (mark !== this.thumbsOf) {
      this.thumbs.clear();
      this.thumbsOf = mark;
    }
    const lit = this.litTile;
    const litPart = this.litTerm === groups.tensor ? 0 : this.litTerm === "bias" ? -1 : 1;
    for (let n = 0; n < acc.listed.length; n++) {
      const group = acc.listed[n];
      const left = (n % this.across) * (TILE.width + TILE.gap);
      const top = Math.floor(n / this.across) * (TILE.height + TILE.gap);
      let x = left + 5;
      const middle = top + TILE.height / 2;
      if (picture) {
        const map = groups.channels[group];
        let thumb = this.thumbs.get(map);
        if (!thumb) this.thumbs.set(map, (thumb = this.thumb(patch, layer, map)));
        const scale = TILE.thumb / Math.max(thumb.width, thumb.height);
        const [w, t] = [thumb.width * scale, thumb.height * scale];
        const y = middle - t / 2;
        context.drawImage(thumb, x, y, w, t);
        if (box) {
          context.strokeStyle = ramp.line;
          context.lineWidth = 1.5;
          context.strokeRect(x + box.left * scale - 0.75, y + box.top * scale - 0.75, box.wide * scale + 1.5, box.tall * scale + 1.5);
        }
        x += TILE.thumb + 8;
      }
      const y = middle - (tall * cell) / 2;
      const parts = groups.products ? [groups.windows, groups.kernels, groups.products] : [groups.windows];
      for (let p = 0; p < parts.length; p++) {
        context.globalAlpha = lit === null && this.litTerm !== null && p !== litPart ? 0.25 : 1;
        if (p) {
          context.fillStyle = ramp.line;
          context.font = "12px system-ui, sans-serif";
          context.textAlign = "center";
          context.textBaseline = "middle";
          context.fillText(p === 1 ? "×" : "=", x + 7, middle);
          x += 14;
        }
        cells(context, ramp, parts[p], group * per, tall, wide, x, y, cell, limits[p] ?? 0, p === 0 ? groups.inside : null);
        x += wide * cell;
      }
      context.globalAlpha = 1;
      if (n === lit) {
        context.strokeStyle = ramp.line;
        context.lineWidth = 2;
        context.strokeRect(left + 1, top + 1, TILE.width - 2, TILE.height - 2);
      }
    }
  }

  /** @param {Patch} patch @param {Layer} layer @param {number} map */
  thumb(patch, layer, map) {
    const { net, ramp, place } = this.app;
    const range = net.range(layer.name);
    const grey = place.colour === "grey" || (layer.input && range[0] >= 0);
    let limit = net.limit(layer.name);
    if (place.colour === "map") limit = largestOf(mapPlane(patch, layer, map));
    return mapPicture(patch, layer, map, ramp, limit, grey ? range : null);
  }

  /** Where the window lies in a drawn input map. @param {string | undefined} feed @param {any} groups */
  windowBox(feed, groups) {
    if (!feed) return null;
    const { net } = this.app;
    const layer = net.layer(feed);
    const shape = net.shape(feed);
    const box = needs(this.now.detail.equation, this.now.at)[groups.tensor];
    if (!box || layer.axes.rows === null || layer.axes.columns === null) return null;
    const first = box.map((/** @type {number[]} */ pair) => pair[0]);
    const last = box.map((/** @type {number[]} */ pair) => pair[1]);
    const top = drawnRow(layer, shape, first);
    const [left, right] = box[layer.axes.columns];
    return { top, left, tall: drawnRow(layer, shape, last) - top + 1, wide: right - left + 1 };
  }

  /** "sum of 32 partial sums … + bias … = pre-activation … → relu → value; the engine's value; the difference" */
  totals() {
    const { led, engine, detail, account: acc } = this.now;
    const end = decimal(led.value, acc.digits);
    const step = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ kind = "") =>
      h("span", { class: `cs-step ${kind}` }, h("span", { class: "cs-step-name" }, name), h("span", { class: "cs-step-value" }, value));
    const steps = [];
    const rest = led.bias !== null;
    const acts = led.whole ? [detail.activation ?? "activation"] : [...led.activation].reverse();
    if (led.reduction === "sum") {
      const sumText = rest ? sumOf(acc.texts.slice(0, acc.sums), acc.digits) : acc.total;
      const word = led.groups.sizes.length ? "partial sum" : "product";
      const what = led.groups.count > 1 ? `${grouped(led.groups.count)} ${word}s` : `sum of ${grouped(led.terms)} products`;
      steps.push(step(what, sumText));
      if (rest) steps.push("+", step("bias", acc.texts[acc.texts.length - 1]));
      if (rest && acts.length) steps.push("=", step("pre-activation", acc.total));
    } else steps.push(step(led.reduction === "max" ? `largest of ${grouped(led.terms)}` : `mean of ${grouped(led.terms)}`, acc.total));
    for (const act of acts) steps.push("→", h("span", { class: "cs-act" }, act));
    steps.push(acts.length ? "→" : "=", step("output", end, "cs-final"));
    const agrees = engine === null ? null : engineText(led.value, engine);
    fill(this.total, steps, agrees ? h("span", { class: "cs-engine" }, "ONNX Runtime ", h("b", null, exact(/** @type {number} */ (engine))), `, difference ${agrees}`) : null);
  }

  /** A number without a sum of its own: what it reads, and what it makes of it. */
  readings() {
    const { led, detail, engine } = this.now;
    this.now.account = null;
    if (this.shape !== "readings") {
      this.shape = "readings";
      this.element.classList.remove("cs-single");
      fill(this.sum, this.total, this.listing);
      fill(this.aside, this.map.element);
    }
    const rows = led.readings.map((/** @type {any} */ r) => {
      const name = `${r.name === "in" && detail.feeds.in ? detail.feeds.in : (detail.feeds[r.name] ?? r.name)}(${r.index.join(", ")})`;
      const down = r.role === "input" && detail.feeds[r.name];
      return [down ? h("button", { class: "cs-link", onclick: () => this.down(detail.feeds[r.name], r.index) }, name) : name,
        { input: "input", weight: "weight", local: "computed on the way" }[/** @type {"input"} */ (r.role)], exact(r.value)];
    });
    fill(this.listing, table(["it reads", "which is", "value"], rows, ["it makes", "", exact(led.value)]));
    fill(this.total, engine === null ? null : h("span", { class: "cs-engine" }, "ONNX Runtime ", h("b", null, exact(engine)), `, difference ${engineText(led.value, engine)}`));
  }

  /** The data table that stands for the pictures. */
  tabulate() {
    if (!this.table.open || !this.now?.account) return;
    const { account: acc, led } = this.now;
    const most = led.reduction === "max";
    let running = 0;
    const rows = acc.texts.map((/** @type {string} */ text, /** @type {number} */ n) => {
      running += readBack(text);
      return [acc.names[n], signed(text), ...(most ? [] : [decimal(running, acc.digits)])];
    });
    fill(this.table, h("summary", null, "The same as a table"),
      table(["from", most ? "largest" : "partial sum", ...(most ? [] : ["so far"])], rows, ["together", acc.total, ...(most ? [] : [""])]));
  }

  /** The equation, its terms lit with what they stand for. @param {string} text @param {Detail} detail */
  equationText(text, detail) {
    if (this.equationShown === text) return;
    this.equationShown = text;
    const names = Object.keys(detail.equation.tensors).concat(detail.equation.locals.map((/** @type {any} */ l) => l.name));
    const pattern = new RegExp(`\\b(${names.map((n) => n.replace(/[^\w]/g, "\\$&")).join("|") || "\\0"})(\\[[^\\]]*\\])?`, "g");
    const parts = [];
    let from = 0;
    for (const match of text.matchAll(pattern)) {
      const term = match[1];
      parts.push(text.slice(from, match.index), h("span", {
        class: "cs-term", "data-term": term, onpointerenter: () => this.lightTerm(term), onpointerleave: () => this.lightTerm(null),
      }, match[0]));
      from = match.index + match[0].length;
    }
    fill(this.equation, parts, text.slice(from));
  }

  /** Light a term of the equation, and what it stands for in the pictures. @param {string | null} term */
  lightTerm(term) {
    if (this.litTerm === term) return;
    this.litTerm = term;
    if (this.shape === "many") {
      this.layTiles();
      this.fall.draw(this.now);
    }
    for (const span of this.equation.querySelectorAll(".cs-term")) span.classList.toggle("cs-lit", /** @type {HTMLElement} */ (span).dataset.term === term);
  }

  /** Light one partial sum wherever it is seen. @param {number | null} n  its place in the list */
  light(n) {
    if (this.litTile === n || !this.now?.account) return;
    this.litTile = n;
    const { led, account: acc } = this.now;
    this.layTiles();
    this.fall.draw(this.now);
    if (n !== null && n < acc.listed.length) this.lens.draw(acc.listed[n]);
    else if (n === null) this.lens.draw(this.lensGroup());
    this.lightTerm(n === null ? null : n >= acc.sums ? "bias" : led.groups.tensor);
  }

  /** A tile was clicked: on its map or window go down to that pixel, else keep it in the lens. @param {number} n @param {MouseEvent} event */
  pick(n, event) {
    const { led, account: acc, detail } = this.now;
    if (n >= acc.listed.length) return;
    const group = acc.listed[n];
    const { groups } = led;
    const again = this.picked === group;
    this.picked = group;
    this.light(n);
    const feed = detail.feeds[groups.tensor];
    const onMap = event.detail > 0 && groups.sizes.length && event.offsetX < TILE.thumb + 8;
    if (feed && (again || onMap)) this.down(feed, this.centre(group));
  }

  /** The middle of a group's window: the pixel of the layer below that it lies around. @param {number} group */
  centre(group) {
    const { groups } = this.now.led;
    const per = groups.sizes.length ? count(groups.sizes) : 1;
    const middle = group * per + Math.floor(per / 2);
    return this.placeOf(middle);
  }

  /** Where a term reads, moved into the tensor if it lies in the padding. @param {number} term */
  placeOf(term) {
    const { led, detail } = this.now;
    const { groups } = led;
    const shape = this.app.net.shape(detail.feeds[groups.tensor]);
    const found = Array.from(groups.places.slice(term * groups.rank, (term + 1) * groups.rank));
    return found.map((p, axis) => Math.min(Math.max(p, 0), shape[axis] - 1));
  }

  /** Go down to the number that a term read. @param {string} feed @param {number[]} at */
  down(feed, at) {
    this.hover = null;
    this.app.go({ layer: feed, at: [...at], screen: "microscope" }, { down: true });
  }
}

/** The sum of texts, as a text that they add up to. @param {string[]} texts @param {number} digits */
function sumOf(texts, digits) {
  const unit = 10 ** digits;
  return decimal(texts.reduce((sum, text) => sum + Math.round(readBack(text) * unit), 0) / unit, digits);
}

/** How far two numbers are apart. @param {number} value @param {number} engine */
function engineText(value, engine) {
  if (Object.is(value, engine) || value === engine) return "0";
  return Number.isFinite(value - engine) ? scientific(Math.abs(value - engine)) : "not a number";
}

/** @param {ArrayLike<number> | null} data */
function largestOf(data) {
  let most = 0;
  if (data) for (let n = 0; n < data.length; n++) {
    const size = Math.abs(data[n]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}

/**
 * Draw a grid of numbers as coloured cells; what lies in the padding is hatched.
 * @param {Pen} context @param {Ramp} ramp @param {ArrayLike<number>} data @param {number} from
 * @param {number} rows @param {number} columns @param {number} left @param {number} top @param {number} cell
 * @param {number} limit @param {Uint8Array | null} inside
 */
function cells(context, ramp, data, from, rows, columns, left, top, cell, limit, inside) {
  const gap = cell > 5 ? 1 : 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const n = from + row * columns + column;
      const [x, y] = [left + column * cell, top + row * cell];
      context.fillStyle = ramp.of(data[n], limit);
      context.fillRect(x, y, cell - gap, cell - gap);
      if (inside && !inside[n]) hatch(context, ramp, x, y, cell - gap);
    }
  }
}

/** @param {Pen} context @param {Ramp} ramp @param {number} x @param {number} y @param {number} size */
function hatch(context, ramp, x, y, size) {
  context.save();
  context.beginPath();
  context.rect(x, y, size, size);
  context.clip();
  context.strokeStyle = ramp.line;
  context.globalAlpha = 0.55;
  context.lineWidth = 1;
  context.beginPath();
  for (let d = 0; d < 2 * size; d += Math.max(3, size / 4)) {
    context.moveTo(x + d, y);
    context.lineTo(x + d - size, y + size);
  }
  context.stroke();
  context.restore();
}

/** The map that the number is in: to point at, to walk over with the arrow keys, to choose other maps. */
class OutputMap {
  /** @param {Microscope} micro */
  constructor(micro) {
    this.micro = micro;
    this.app = micro.app;
    this.canvas = h("canvas", { class: "cs-map", "aria-hidden": "true" });
    this.cell = h("span", { role: "gridcell", tabindex: "0", class: "cs-cell" });
    this.grid = h("div", { role: "grid", class: "cs-map-grid", "aria-label": "The output map" }, this.canvas, h("div", { role: "row" }, this.cell));
    this.caption = h("p", { class: "cs-caption" });
    this.steppers = h("div", { class: "cs-steppers" });
    this.picker = new Atlas(this.app, "All maps of this layer", {
      picked: (found) => this.moveMap(found.map),
      over: (found) => this.picker.mark(found ? found.map : this.current().map),
    });
    this.pickerNote = h("p", { class: "cs-dim cs-note" });
    this.strip = h("div", { class: "cs-picker" }, this.picker.element);
    this.numbers = h("details", { class: "cs-table" }, h("summary", null, "The numbers around it"));
    this.numbers.addEventListener("toggle", () => this.tabulate());
    this.element = h("div", { class: "cs-output" }, this.caption, this.grid, this.steppers, this.strip, this.pickerNote, this.numbers);
    this.canvas.addEventListener("pointermove", (event) => this.over(event));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    this.canvas.addEventListener("click", (event) => {
      const at = this.under(event);
      if (at) {
        micro.hover = null;
        this.app.go({ at });
        this.cell.focus({ preventScroll: true });
      }
    });
    this.turn = 0;
    this.drawn = "";
    this.stepped = "";
    this.pictured = "";
    this.scale = 1;
    this.bars = false;
    /** @type {HTMLInputElement[]} */
    this.inputs = [];
    /** @type {HTMLCanvasElement | null} */
    this.pixels = null;
    this.frame = 0;
  }

  current() {
    const layer = this.app.net.layer(this.app.place.layer);
    return spot(layer.axes, this.micro.at);
  }

  /** The engine's number, if it is at hand. @param {number[]} at @returns {number | null} */
  value(at) {
    const { net, place } = this.app;
    const question = net.around(place.layer, at);
    const told = net.now(question);
    return told && numberAt(net.patch(told, question), at);
  }

  async show() {
    const turn = ++this.turn;
    const { net, place } = this.app;
    const layer = net.layer(place.layer);
    this.element.hidden = !net.has(place.layer);
    if (this.element.hidden) return;
    this.stepper(layer);
    const shape = net.shape(place.layer);
    const question = net.around(place.layer, place.at);
    if (net.now(question)) this.draw();
    else {
      await net.ask(question).catch(() => null);
      if (turn !== this.turn) return;
      this.draw();
      this.micro.draw();
    }
    await this.pick(layer, shape);
  }

  /** All maps of the layer, small, to choose from. @param {Layer} layer @param {number[]} shape */
  async pick(layer, shape) {
    const { net, place, ramp } = this.app;
    const number = mapsOf(layer, shape);
    this.strip.hidden = number === 1;
    const page = Math.floor(this.current().map / 512);
    const key = JSON.stringify([net.run?.id, place.layer, page, ramp.scheme, place.colour]);
    if (number > 1 && key !== this.drawn) {
      this.drawn = key;
      const maps = Array.from({ length: Math.min(512, number - page * 512) }, (_, n) => page * 512 + n);
      await this.picker.draw(place.layer, maps, { width: 250, side: number > 64 ? 18 : 26 }).catch(() => (this.drawn = ""));
      say(this.pickerNote, number > 512 ? `maps ${page * 512} … ${page * 512 + maps.length - 1} of ${grouped(number)}` : "");
    }
    this.picker.mark(this.current().map);
  }

  /** @param {Layer} layer */
  stepper(layer) {
    const { place, net } = this.app;
    const shape = net.shape(place.layer);
    const key = `${place.layer} ${shape}`;
    if (this.stepped !== key) {
      this.stepped = key;
      this.inputs = shape.map((size, axis) => h("input", {
        type: "number", min: 0, max: size - 1, "aria-label": axisWord(layer, axis),
        onchange: (/** @type {Event} */ event) => {
          const box = /** @type {HTMLInputElement} */ (event.target);
          const to = Math.max(0, Math.min(size - 1, Math.round(Number(box.value)) || 0));
          this.app.go({ at: this.app.place.at.map((p, n) => (n === axis ? to : p)) });
        },
      }));
      fill(this.steppers, shape.map((size, axis) => h("label", null, h("span", null, axisWord(layer, axis), h("span", { class: "cs-dim" }, ` of ${grouped(size)}`)), this.inputs[axis])));
    }
    place.at.forEach((p, axis) => {
      const box = this.inputs[axis];
      if (box && box.value !== String(p)) box.value = String(p);
    });
  }

  draw() {
    const { net, place, ramp } = this.app;
    const layer = net.layer(place.layer);
    const shape = net.shape(place.layer);
    const [rows, columns] = mapSize(layer, shape);
    const { map } = spot(layer.axes, place.at);
    const at = this.micro.at;
    say(this.caption, layer.axes.maps === null ? `${layer.name}: ${times(shape)}` : `map ${map} of ${layer.name}, ${rows}×${columns}`);
    const key = JSON.stringify([net.run?.id, place.layer, map, ramp.scheme, place.colour]);
    const patch = net.activation(place.layer);
    if (key !== this.pictured || !this.pixels) {
      this.pixels = patch ? this.micro.thumb(patch, layer, map) : null;
      this.pictured = patch ? key : "";
    }
    const bars = rows === 1 && columns > 1;
    const scale = bars ? 250 / columns : Math.min(250 / columns, 250 / rows);
    const tall = bars ? 100 : rows * scale;
    const context = sized(this.canvas, columns * scale, tall);
    this.scale = scale;
    this.bars = bars;
    const row = drawnRow(layer, shape, at);
    const column = layer.axes.columns === null ? 0 : at[layer.axes.columns];
    if (bars && patch) drawBars(context, mapPlane(patch, layer, map), columns * scale, tall, ramp, net.limit(place.layer));
    else if (this.pixels) context.drawImage(this.pixels, 0, 0, columns * scale, tall);
    context.strokeStyle = ramp.scheme === "light" ? "#fff" : "#000";
    context.lineWidth = 4;
    const box = /** @type {[number, number, number, number]} */ (bars ? [column * scale, 0, scale, tall] : [column * scale, row * scale, scale, scale]);
    const grown = /** @type {[number, number, number, number]} */ ([Math.max(1, box[0] - 1), Math.max(1, box[1] - 1), Math.min(box[2] + 2, columns * scale - 2), Math.min(box[3] + 2, tall - 2)]);
    context.strokeRect(...grown);
    context.strokeStyle = ramp.line;
    context.lineWidth = 2;
    context.strokeRect(...grown);
    const value = this.value(at);
    this.grid.setAttribute("aria-rowcount", String(rows));
    this.grid.setAttribute("aria-colcount", String(columns));
    this.cell.setAttribute("aria-rowindex", String(row + 1));
    this.cell.setAttribute("aria-colindex", String(column + 1));
    say(this.cell, `${at.join(", ")}: ${value === null ? "" : decimal(value, places(value))}`);
    this.tabulate();
  }

  /** The pixel and those around it, as a table. */
  tabulate() {
    if (!this.numbers.open) return;
    fill(this.numbers, h("summary", null, "The numbers around it"), pixelTable(this, this.app.net.layer(this.app.place.layer), this.micro.at));
  }

  /** @param {MouseEvent} event @returns {number[] | null} */
  under(event) {
    const { net, place } = this.app;
    const layer = net.layer(place.layer);
    const shape = net.shape(place.layer);
    const [rows, columns] = mapSize(layer, shape);
    const { scale } = this;
    const row = this.bars ? 0 : Math.floor(event.offsetY / scale);
    const column = Math.floor(event.offsetX / scale);
    if (row < 0 || column < 0 || row >= rows || column >= columns) return null;
    return position(layer, shape, { map: spot(layer.axes, place.at).map, row, column });
  }

  /** @param {PointerEvent} event */
  over(event) {
    const at = this.under(event);
    if (!at || String(at) === String(this.micro.at)) return;
    this.micro.hover = at;
    this.later();
  }

  leave() {
    if (this.micro.hover === null) return;
    this.micro.hover = null;
    this.later();
  }

  later() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.draw();
      this.micro.draw();
    });
  }

  /** @param {number} map */
  moveMap(map) {
    const { place, net } = this.app;
    const axis = net.layer(place.layer).axes.maps;
    if (axis !== null) this.app.go({ at: place.at.map((p, n) => (n === axis ? map : p)) });
  }
}

/** What an axis of a layer is. @param {Layer} layer @param {number} axis */
function axisWord(layer, axis) {
  const { maps, rows, columns } = layer.axes;
  if (axis === maps) return "map";
  if (axis === rows) return "row";
  if (axis === columns) return maps === null && rows === null ? "unit" : rows === null ? "step" : "column";
  return "slice";
}

/** @param {Pen} context @param {ArrayLike<number>} data @param {number} width @param {number} tall @param {Ramp} ramp @param {number} limit */
function drawBars(context, data, width, tall, ramp, limit) {
  let low = 0;
  for (let n = 0; n < data.length; n++) low = Math.min(low, data[n]);
  const zero = low < 0 ? tall / 2 : tall - 1;
  const room = low < 0 ? tall / 2 - 1 : tall - 2;
  const wide = width / data.length;
  for (let n = 0; n < data.length; n++) {
    const size = limit > 0 ? (data[n] / limit) * room : 0;
    context.fillStyle = ramp.of(data[n] < 0 ? -1 : 1, 1);
    context.fillRect(n * wide, Math.min(zero, zero - size), Math.max(wide - (wide > 4 ? 2 : 0), 0.75), Math.max(Math.abs(size), 0.5));
  }
  context.fillStyle = ramp.line;
  context.fillRect(0, zero, width, 1);
}

/** A waterfall: each partial sum starts where the last ended; then the bias, the pre-activation, the output. */
class Waterfall {
  /** @param {Microscope} micro */
  constructor(micro) {
    this.micro = micro;
    this.canvas = h("canvas", { class: "cs-fall", role: "img" });
    this.note = h("p", { class: "cs-dim cs-note" });
    this.element = h("div", { class: "cs-waterfall" }, h("p", { class: "cs-caption" }, "Each partial sum starts where the last one ended"), this.canvas, this.note);
    this.canvas.addEventListener("pointermove", (event) => micro.light(this.under(event)));
    this.canvas.addEventListener("pointerleave", () => micro.light(null));
    this.step = 1;
    this.bars = 0;
  }

  /** @param {MouseEvent} event */
  under(event) {
    const n = Math.floor(event.offsetX / this.step);
    return n >= 0 && n < this.bars ? n : null;
  }

  /** @param {any} now */
  draw(now) {
    const { led, account: acc } = now;
    const { ramp } = this.micro.app;
    const width = Math.max(120, this.micro.board.clientWidth || 600);
    const height = 132;
    const context = sized(this.canvas, width, height);
    const falls = led.reduction !== "max";
    this.element.hidden = !falls || !acc.values.every(Number.isFinite);
    if (this.element.hidden) return;
    const ends = [0];
    for (const value of acc.values) ends.push(ends[ends.length - 1] + value);
    const output = led.whole ? led.preactivation : led.value;
    const low = Math.min(0, ...ends, led.preactivation, output);
    const high = Math.max(0, ...ends, led.preactivation, output);
    const top = 14;
    const room = height - top - 18;
    const y = (/** @type {number} */ v) => top + (high > low ? ((high - v) / (high - low)) * room : room);
    const after = led.whole || !led.activation.length ? 1 : 2;
    this.bars = acc.values.length;
    this.step = Math.min(44, width / (this.bars + after * 1.6));
    const wide = Math.max(1, this.step - (this.step > 6 ? 3 : 1));
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    context.fillStyle = ramp.line;
    context.globalAlpha = 0.5;
    context.fillRect(0, y(0), width, 1);
    for (let n = 0; n < this.bars; n++) {
      const [from, to] = [ends[n], ends[n + 1]];
      const x = n * this.step;
      const lit = this.micro.litTile ?? (this.micro.litTerm === "bias" ? acc.sums : null);
      context.globalAlpha = lit === null || lit === n ? 1 : 0.45;
      context.fillStyle = ramp.of(to < from ? -1 : 1, 1);
      context.fillRect(x, Math.min(y(from), y(to)), wide, Math.max(1, Math.abs(y(to) - y(from))));
      if (n + 1 < this.bars) {
        context.fillStyle = ramp.line;
        context.globalAlpha = 0.35;
        context.fillRect(x, y(to), this.step + wide, 0.75);
      }
      context.globalAlpha = 0.85;
      context.fillStyle = ramp.line;
      if (this.step >= 11) context.fillText(to < from ? "−" : "+", x + wide / 2, Math.min(y(from), y(to)) - 2);
      if (n >= acc.sums) context.fillText("bias", Math.min(x + wide / 2, width - 12), height - 5);
      else if (this.step >= 15 || n % Math.ceil(15 / this.step) === 0) {
        const label = n < acc.listed.length ? String(led.groups.channels[acc.listed[n]]) : "rest";
        context.fillText(label, x + wide / 2, height - 5);
      }
    }
    let x = this.bars * this.step + this.step * 0.3;
    const totals = /** @type {[string, number][]} */ ([["sum", led.preactivation], ...(after === 2 ? [["out", led.value]] : [])]);
    for (const [name, value] of totals) {
      context.globalAlpha = 1;
      context.fillStyle = ramp.line;
      context.fillRect(x, Math.min(y(0), y(value)), wide * 1.2, Math.max(1.5, Math.abs(y(value) - y(0))));
      context.fillText(name, x + wide * 0.6, height - 5);
      x += this.step * 1.5;
    }
    context.globalAlpha = 1;
    this.canvas.setAttribute("aria-label", `A waterfall of ${this.bars} numbers that end at ${acc.total}; the table below has each`);
  }
}

const LENS_CELLS = 130; // windows of up to so many numbers are shown as numbers

/** One input map's part, number by number: window × slice = products. */
class Lens {
  /** @param {Microscope} micro */
  constructor(micro) {
    this.micro = micro;
    this.element = h("div", { class: "cs-lens" });
    this.shape = "";
    /** @type {HTMLElement[][]} */
    this.figures = [];
  }

  /** @param {number} group */
  draw(group) {
    const { led, account: acc, detail } = this.micro.now;
    const { groups } = led;
    const sizes = groups.sizes.length ? groups.sizes : [1];
    const per = count(sizes);
    const wide = sizes[sizes.length - 1];
    const grids = groups.products ? ["window", "slice", "products"] : ["window"];
    const shape = `${this.micro.opened} ${sizes} ${grids.length}`;
    this.group = group;
    if (shape !== this.shape) this.build(shape, grids, per, wide);
    const n = acc.listed.indexOf(group);
    const partial = acc.texts[n];
    const feed = detail.feeds[groups.tensor] ?? groups.tensor;
    say(/** @type {Element} */ (this.heading), groups.sizes.length
      ? `map ${groups.channels[group]} of ${feed}, number by number`
      : `number ${groups.channels[group]} of ${feed}`);
    if (per > LENS_CELLS) return;
    const { ramp } = this.micro.app;
    const slice = (/** @type {ArrayLike<number>} */ data) => Array.prototype.slice.call(data, group * per, (group + 1) * per);
    const windows = slice(groups.windows);
    this.write(0, windows, windows.map((v) => decimal(v, Math.min(places(largestOf(windows)), 5))), ramp, largestOf(windows), slice(groups.inside));
    let end = `largest ${partial}`;
    if (groups.products) {
      const kernels = slice(groups.kernels);
      const products = slice(groups.products);
      this.write(1, kernels, kernels.map((v) => decimal(v, Math.min(places(largestOf(kernels)), 5))), ramp, largestOf(kernels), null);
      const finite = products.every(Number.isFinite) && led.reduction === "sum";
      const texts = finite ? addingUp(products, readBack(partial), acc.digits).texts : products.map((v) => decimal(v, acc.digits));
      this.write(2, products, texts, ramp, largestOf(products), null);
    }
    if (led.reduction === "sum") end = per > 1 ? `add up to ${signed(partial)}` : `= ${signed(partial)}`;
    else if (led.reduction === "mean") end = per > 1 ? `average to ${partial}` : partial;
    say(/** @type {Element} */ (this.end), end);
  }

  /** @param {string} shape @param {string[]} grids @param {number} per @param {number} wide */
  build(shape, grids, per, wide) {
    this.shape = shape;
    this.heading = h("p", { class: "cs-caption" });
    this.end = h("p", { class: "cs-lens-end" });
    if (per > LENS_CELLS) {
      fill(this.element, this.heading, h("p", { class: "cs-dim" }, `Its window has ${grouped(per)} numbers; the picture shows them all.`), this.end);
      return;
    }
    const words = { window: "window", slice: "× weights", products: "= products" };
    this.figures = grids.map((kind) => Array.from({ length: per }, (_, p) =>
      kind === "window"
        ? h("button", { class: "cs-figure-cell", title: "go down to this number", onclick: () => this.enter(p),
          onpointerenter: () => this.micro.lightTerm(this.micro.now.led.groups.tensor), onpointerleave: () => this.micro.lightTerm(null) })
        : h("span", { class: "cs-figure-cell" })));
    fill(this.element, this.heading, h("div", { class: "cs-lens-grids" }, grids.map((kind, n) => {
      const grid = h("div", { class: "cs-figures" }, this.figures[n]);
      grid.style.gridTemplateColumns = `repeat(${wide}, minmax(3.6em, auto))`;
      return h("div", { class: "cs-lens-part" }, h("span", { class: "cs-lens-name" }, words[/** @type {"window"} */ (kind)]), grid);
    })), this.end);
  }

  /** @param {number} grid @param {number[]} values @param {string[]} texts @param {Ramp} ramp @param {number} limit @param {number[] | null} inside */
  write(grid, values, texts, ramp, limit, inside) {
    const most = this.micro.now.led.reduction === "max" && grid === 0 ? Math.max(...values) : NaN;
    this.figures[grid].forEach((cell, p) => {
      say(cell, inside && !inside[p] ? (Number.isFinite(values[p]) ? `[${texts[p]}]` : "[−∞]") : texts[p]);
      const share = limit > 0 ? Math.min(1, Math.abs(values[p]) / limit) : 0;
      cell.style.backgroundColor = ramp.of(values[p], limit);
      cell.style.color = share > 0.5 ? (ramp.scheme === "light" ? "#fff" : "#0d1117") : ramp.line;
      cell.classList.toggle("cs-outside", Boolean(inside && !inside[p]));
      cell.classList.toggle("cs-most", values[p] === most);
    });
  }

  /** @param {number} p */
  enter(p) {
    const { led, detail } = this.micro.now;
    const per = led.groups.sizes.length ? count(led.groups.sizes) : 1;
    const term = /** @type {number} */ (this.group) * per + p;
    const feed = detail.feeds[led.groups.tensor];
    if (feed && led.groups.inside[term]) this.micro.down(feed, this.micro.placeOf(term));
  }
}

/** A pixel of a map and those around it. @param {OutputMap} map @param {Layer} layer @param {number[]} at */
function pixelTable(map, layer, at) {
  const shape = map.app.net.shape(layer.name);
  const { rows, columns } = layer.axes;
  const near = (/** @type {number | null} */ axis) =>
    axis === null ? [0] : [-2, -1, 0, 1, 2].map((by) => at[axis] + by).filter((p) => p >= 0 && p < shape[axis]);
  const there = (/** @type {number} */ row, /** @type {number} */ column) => at.map((p, axis) => (axis === rows ? row : axis === columns ? column : p));
  return h("div", { class: "cs-scroll cs-pixels" }, table(["row", ...near(columns).map(String)], near(rows).map((y) => [rows === null ? "" : String(y), ...near(columns).map((x) => {
    const value = map.value(there(y, x));
    return h("td", { class: String(there(y, x)) === String(at) ? "cs-figure cs-here" : "cs-figure" }, value === null ? "" : decimal(value, 4));
  })])));
}

/** What was done to the image before it went in. @param {Run | null} run */
function steps(run) {
  if (!run?.steps.length) return null;
  return h("ol", { class: "cs-steps" }, run.steps.map((step) => h("li", null, h("b", null, step.step), step.words ? `: ${step.words}` : "",
    step.before && step.after ? h("span", { class: "cs-dim" }, ` ${times(step.before)} → ${times(step.after)}`) : null)));
}
/* ---- Mental models --------------------------------------------------------------------------------------- */

/** The pictures that people have of a convolution, side by side at the same pixel. */
class Models {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.turn = 0;
    this.title = h("h2", { class: "cs-number" });
    this.lead = h("p", { class: "cs-reads" });
    this.cards = h("div", { class: "cs-models", role: "radiogroup", "aria-label": "Mental models" });
    this.table = h("div", { class: "cs-compare" });
    this.element = h("section", { class: "cs-models-screen" }, this.title, this.lead, this.cards, this.table);
  }

  async show() {
    const { net, place } = this.app;
    const turn = ++this.turn;
    const layer = net.layer(place.layer);
    const nothing = (/** @type {string} */ why) => {
      say(this.title, place.layer);
      fill(this.lead, why, " ", ...this.others());
      fill(this.cards);
      fill(this.table);
    };
    if (!net.run) return nothing("No image has gone through the network yet: choose one under Input.");
    if (layer.input || !layer.equation) return nothing("The mental models are about convolutions.");
    try {
      const detail = await net.ask(net.detail(place.layer));
      if (turn !== this.turn) return;
      if (!detail.pictures.length) return nothing(`${layer.name} (${layer.kind}) is not a convolution with filters over channels.`);
      const values = await net.readsSoon(net.reads(detail, detail.equation, place.at));
      const question = net.around(place.layer, place.at);
      const engine = numberAt(net.patch(await net.ask(question), question), place.at);
      if (turn !== this.turn) return;
      this.draw(detail, values, engine);
    } catch (error) {
      if (turn === this.turn) this.app.failed(this.cards, error);
    }
  }

  /** Links to layers that have pictures. */
  others() {
    const { net } = this.app;
    const convolutions = net.names.filter((name) => (net.layer(name).weights.kernel ?? net.layer(name).weights.W ?? []).length > 2).slice(0, 8);
    return convolutions.length
      ? ["Try ", ...convolutions.flatMap((name, n) => [n ? ", " : "", h("button", { class: "cs-link", onclick: () => openLayer(this.app, name) }, name)]), "."]
      : [];
  }

  /** @param {Detail} detail @param {Record<string, Patch>} values @param {number} engine */
  draw(detail, values, engine) {
    const { net, place } = this.app;
    const layer = net.layer(place.layer);
    const shape = net.shape(place.layer);
    const feed = detail.feeds.in ?? layer.inputs[0];
    const at = place.at;
    fill(this.title, `${detail.pictures.length} pictures of `, h("b", null, layer.name), ", tested at ", `(${at.join(", ")})`);
    say(this.lead, `The same ${times(net.shape(feed))} input, the same weights; only the equation differs. Which one did the network compute?`);
    const models = detail.pictures.map((picture, n) => {
      const own = at.map((p, axis) => p % picture.shape[axis]);
      const value = evaluate(picture.equation, own, values);
      const shaped = String(picture.shape) === String(shape);
      const close = Math.abs(value - engine) <= 1e-4 * Math.max(1, Math.abs(engine));
      return { ...picture, own, value, shaped, close, agrees: shaped && close, id: MODELS[n] ?? String(n) };
    });
    const digits = places(Math.max(Math.abs(engine), ...models.map((m) => Math.abs(m.value))));
    fill(this.cards, models.map((model) => this.card(model, layer, feed, digits, shape, engine)));
    const rows = /** @type {[string, (m: any) => Child][]} */ ([
      ["output", (m) => h("span", { class: m.shaped ? "" : "cs-bad" }, times(m.shape))],
      ["kernel", (m) => times(m.kernel)],
      ["parameters", (m) => grouped(m.params)],
      ["MACs", (m) => grouped(m.macs)],
      [`value at (${at.join(", ")})`, (m) => h("span", { class: m.close ? "" : "cs-bad" }, decimal(m.value, digits))],
      ["the next layer would need", (m) => nextText(m.next)],
      ["the engine agrees", (m) => h("b", { class: m.agrees ? "cs-good" : "cs-bad" }, m.agrees ? "yes" : "no")],
    ]);
    fill(this.table, table(["", ...models.map((m) => m.name)], rows.map(([name, cell]) => [name, ...models.map((m) => h("td", null, cell(m)))]),
      ["ONNX Runtime", h("td", { colspan: models.length }, `${times(shape)}, and ${exact(engine)} at (${at.join(", ")})`)]));
    const chosen = models.find((m) => m.id === place.model) ?? models[0];
    this.app.tell(`${chosen.name}: ${times(chosen.shape)}, ${decimal(chosen.value, digits)}; the engine ${chosen.agrees ? "agrees" : "does not agree"}`);
  }

  /** @param {any} model @param {Layer} layer @param {string} feed @param {number} digits @param {number[]} shape @param {number} engine */
  card(model, layer, feed, digits, shape, engine) {
    const { place } = this.app;
    const current = model.id === place.model;
    const verdict = model.agrees ? "This is what the network computes."
      : !model.shaped ? `Not so: the output would be ${times(model.shape)}, and it is ${times(shape)}.`
        : `Not so: the number would be off by ${decimal(Math.abs(model.value - engine), digits)}.`;
    const channels = this.app.net.shape(feed)[this.app.net.layer(feed).axes.maps ?? 0];
    return h("button", { class: "cs-model", role: "radio", "aria-checked": String(current), onclick: () => this.app.go({ model: model.id }) },
      h("span", { class: "cs-model-name" }, model.name),
      sketch(model.id, channels, model.shape[layer.axes.maps ?? 0]),
      h("span", { class: "cs-model-claim" }, model.claim),
      h("code", null, model.equation.text),
      h("span", { class: model.agrees ? "cs-good" : "cs-bad" }, model.agrees ? "✓ " : "✗ ", verdict));
  }
}

/** What the next layer with weights would have to be. @param {any} next */
function nextText(next) {
  if (!next) return "–";
  if (next.impossible) return `${next.layer}: impossible`;
  return `${next.layer}: ${weightsText(next.weights)} = ${grouped(next.params)} parameters`;
}

/** A small drawing of a mental model: which input maps go into which output maps. @param {string} model @param {number} channels @param {number} out */
function sketch(model, channels, out) {
  const picture = svg("svg", { viewBox: "0 0 200 96", class: "cs-sketch", role: "img", "aria-label": `${channels} maps in, ${out} maps out` });
  const inputs = [22, 42, 62];
  const box = (/** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ kind) =>
    picture.append(svg("rect", { x, y, width: 15, height: 15, rx: 2, class: `cs-sketch-${kind}` }));
  const line = (/** @type {number} */ x1, /** @type {number} */ y1, /** @type {number} */ x2, /** @type {number} */ y2) =>
    picture.append(svg("path", { d: `M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`, class: "cs-wire" }));
  const text = (/** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ anchor, /** @type {string} */ words) => {
    const made = svg("text", { x, y, "text-anchor": anchor });
    made.textContent = words;
    picture.append(made);
  };
  for (const y of inputs) box(8, y, "in");
  text(2, 90, "start", `${grouped(channels)} map${channels === 1 ? "" : "s"}`);
  text(198, 90, "end", `${grouped(out)} map${out === 1 ? "" : "s"}`);
  text(100, 14, "middle", { apart: "nothing added up", depth: "a slice a map", shared: "one slice for all", real: "a slice a map, added up" }[model] ?? "");
  const middle = inputs[1] + 7.5;
  const outs = model === "apart" ? [150, 168] : [162];
  for (const y of inputs) {
    const at = model === "shared" ? inputs[1] : y;
    line(23, y + 7.5, 84, at + 7.5);
    if (model === "apart" || model === "depth") line(99, y + 7.5, outs[0], y + 7.5);
    else line(99, at + 7.5, 126, middle);
  }
  for (const y of model === "shared" ? [inputs[1]] : inputs) box(84, y, "slice");
  if (model === "apart" || model === "depth") for (const y of inputs) for (const x of outs) box(x, y, "out");
  if (model === "real" || model === "shared") {
    text(134, middle + 4, "middle", "Σ");
    line(142, middle, 162, middle);
    box(162, inputs[1], "out");
  }
  return picture;
}

/* ---- What if --------------------------------------------------------------------------------------------- */

const WAIT = 150; // milliseconds after the last keystroke until the host is asked

/** Settings changed: what becomes of every layer after them, old beside new. */
class WhatIf {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {Map<string, Map<string, any>>} layer → setting → new value */
    this.edits = new Map();
    this.turn = 0;
    this.shown = "";
    this.title = h("h2", { class: "cs-number" });
    this.form = h("form", { class: "cs-form", onsubmit: (/** @type {Event} */ event) => event.preventDefault() });
    this.undo = h("button", { class: "cs-small", type: "button", onclick: () => this.reset() }, "undo all");
    this.list = h("p", { class: "cs-edits" });
    this.result = h("div", { class: "cs-result", "aria-live": "polite" });
    this.element = h("section", { class: "cs-whatif" }, this.title, this.form, this.list, this.result);
    this.timer = 0;
  }

  async show() {
    const { net, place } = this.app;
    fill(this.title, "What if ", h("b", null, place.layer), " were different?");
    if (this.shown === place.layer) return;
    this.shown = place.layer;
    const turn = ++this.turn;
    const layer = net.layer(place.layer);
    if (layer.input) {
      fill(this.form, h("p", { class: "cs-dim" }, "An input has no settings: choose a layer above."));
      return;
    }
    try {
      const facts = await net.ask({ ask: "settings", layer: place.layer });
      if (turn !== this.turn) return;
      const fields = Object.entries(facts.settings).map(([name, setting]) => this.field(name, setting));
      fill(this.form, fields.length ? fields : h("p", { class: "cs-dim" }, facts.why ?? `${layer.kind} has no settings to change.`));
    } catch (error) {
      this.app.failed(this.form, error);
    }
    if (!this.result.childElementCount) this.ask();
  }

  /** @param {string} name @param {any} setting */
  field(name, setting) {
    const layer = this.app.place.layer;
    const value = this.edits.get(layer)?.get(name) ?? setting.value;
    const set = (/** @type {any} */ to) => this.set(layer, name, to, setting.value);
    const label = name.replaceAll("_", " ");
    if (setting.kind === "choice") {
      const select = h("select", { onchange: () => set(select.value === "" ? null : select.value) },
        setting.none ? h("option", { value: "" }, "none") : null, setting.choices.map((/** @type {string} */ c) => h("option", { value: c }, c)));
      select.value = value ?? "";
      return h("label", { class: "cs-field" }, h("span", null, label), select);
    }
    if (setting.kind === "bool") {
      const box = h("input", { type: "checkbox", onchange: () => set(box.checked) });
      box.checked = Boolean(value);
      return h("label", { class: "cs-field" }, h("span", null, label), box);
    }
    if (setting.kind === "sizes") {
      const boxes = Array.from({ length: setting.count }, (_, n) => h("input", {
        type: "number", step: 1, value: value?.[n] ?? "", "aria-label": `${label} ${n + 1}`,
        oninput: () => boxes.every((b) => b.value !== "") && set(boxes.map((b) => Number(b.value))),
      }));
      return h("fieldset", { class: "cs-field" }, h("legend", null, label), boxes.flatMap((box, n) => (n ? ["×", box] : [box])));
    }
    if (setting.kind === "int" || setting.kind === "number") {
      const box = h("input", {
        type: "number", step: setting.kind === "int" ? 1 : "any", value: value ?? "",
        oninput: () => (box.value !== "" || setting.none) && set(box.value === "" ? null : Number(box.value)),
      });
      return h("label", { class: "cs-field" }, h("span", null, label), box);
    }
    const box = h("input", {
      type: "text", value: JSON.stringify(value), onchange: () => {
        try {
          set(JSON.parse(box.value));
        } catch {
          fill(this.result, h("p", { class: "cs-error", role: "alert" }, `${label} is a list such as [[0, 1], [2, 3]], not ${box.value}`));
        }
      },
    });
    return h("label", { class: "cs-field cs-wide" }, h("span", null, label), box);
  }

  /** @param {string} layer @param {string} name @param {any} value @param {any} old */
  set(layer, name, value, old) {
    const edits = this.edits.get(layer) ?? new Map();
    if (JSON.stringify(value) === JSON.stringify(old)) edits.delete(name);
    else edits.set(name, value);
    this.edits.set(layer, edits);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.ask(), WAIT);
  }

  reset() {
    this.edits.clear();
    this.shown = "";
    fill(this.result);
    this.show();
    this.ask();
  }

  async ask() {
    const turn = ++this.turn;
    const edits = [...this.edits].flatMap(([layer, settings]) => [...settings].map(([name, value]) => [layer, name, value]));
    fill(this.list, edits.length
      ? [...edits.map(([layer, name, value]) => h("code", null, `${layer}.${name}=${Array.isArray(value) ? value.join(",") : value}`)), this.undo]
      : h("span", { class: "cs-dim" }, "Change a setting: the figures of every layer after it follow at once."));
    try {
      const { facts } = await this.app.link.ask({ ask: "whatif", edits });
      if (turn === this.turn) this.draw(facts);
    } catch (error) {
      if (turn === this.turn) this.app.failed(this.result, error);
    }
  }

  /** @param {any} facts  what `convscope whatif --json` writes */
  draw(facts) {
    const changed = facts.layers.filter((/** @type {any} */ l) => l.changed).length;
    const shown = facts.layers.slice(0, 400);
    const cell = (/** @type {string} */ old, /** @type {string} */ now) =>
      h("td", { class: old === now ? null : "cs-changed" }, old === now ? now : [h("s", null, old), " ", h("b", null, now)]);
    const pair = (/** @type {any} */ of, /** @type {(row: any) => string} */ text) => cell(of.old ? text(of.old) : "–", of.new ? text(of.new) : "–");
    const params = (/** @type {any} */ row) => grouped(row.params);
    const macs = (/** @type {any} */ row) => grouped(row.macs);
    const rows = shown.map((/** @type {any} */ l) => [
      [l.name, l.weights_redrawn.length ? h("span", { class: "cs-badge", title: `drawn anew: ${l.weights_redrawn.join(", ")}` }, "weights drawn anew") : null],
      pair(l, (row) => (row.output_shape ? times(row.output_shape.slice(1)) : "?")), pair(l, (row) => weightsText(row.weights) || "–"),
      pair(l, params), pair(l, macs), pair(l, (row) => (row.receptive_field ? fieldText(row.receptive_field) : "–")),
    ]);
    fill(this.result,
      h("div", { class: "cs-scroll", tabindex: "0", role: "region", "aria-label": "The layers, old and new" },
        table(["layer", "output", "weights", "parameters", "MACs", "sees"], rows, ["total", "", "", pair(facts.totals, params), pair(facts.totals, macs), ""])),
      facts.layers.length > shown.length ? h("p", { class: "cs-dim" }, `and ${facts.layers.length - shown.length} more layers`) : null,
      facts.layers.flatMap((/** @type {any} */ l) => (l.dropped ?? []).map((/** @type {any} */ d) => strides(l.name, d, this.app.ramp))),
      facts.edits.length ? facts.notes.map((/** @type {string} */ note) => h("p", null, note)) : null);
    this.app.tell(`${changed} layers changed`);
  }
}

/** What a stride drops along one axis. @param {string} layer @param {any} dropped @param {Ramp} ramp */
function strides(layer, dropped, ramp) {
  const { size, stride, positions, kept, word } = dropped;
  if (positions > 80) return h("p", null, `${layer}: stride ${stride} keeps ${kept} of ${positions} ${word}s.`);
  const cell = Math.min(14, 560 / positions);
  const canvas = h("canvas", { role: "img", "aria-label": `${layer}: stride ${stride} keeps ${kept} of the ${positions} ${word}s that stride 1 would give` });
  const context = sized(canvas, positions * cell + 1, 16);
  for (let n = 0; n < positions; n++) {
    const on = n % stride === 0 && n / stride < kept;
    context.fillStyle = on ? ramp.of(1, 1) : "#8c959f77";
    context.fillRect(n * cell, on ? 1 : 5, cell - 1.5, on ? 14 : 6);
  }
  return h("figure", { class: "cs-strides" }, canvas, h("figcaption", null,
    `${layer}, ${word}s: stride ${stride} keeps ${kept} of the ${positions} positions that stride 1 would give (tall), and drops ${positions - kept}${dropped.unread ? `; ${dropped.unread} of ${size} input ${word}s are read by no window` : ""}.`));
}

/* ---- Input ----------------------------------------------------------------------------------------------- */

const PAD = 280;

/** The image: those that come along, one's own, or one drawn by hand; and what is done to it. */
class Input {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.busy = h("p", { class: "cs-dim", "aria-live": "polite" });
    this.answer = h("div", { class: "cs-offer" });
    this.samples = h("div", { class: "cs-samples" });
    this.file = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/bmp,image/gif", "aria-label": "Choose an image file",
      onchange: () => this.file.files?.[0] && this.take(this.file.files[0]) });
    this.drop = h("div", { class: "cs-drop" }, h("p", null, "Drop an image here, paste one, or choose a file: PNG, JPEG, WebP, BMP or GIF."), this.file);
    this.pad = h("canvas", { class: "cs-pad", width: PAD, height: PAD, tabindex: "0", role: "img", "aria-label": "Drawing pad: draw with the pointer, or with the arrow keys while holding the space bar" });
    this.invert = h("input", { type: "checkbox" });
    this.current = h("div", { class: "cs-current" });
    this.canDraw = this.takesPictures();
    this.drawn = "";
    this.inked = false;
    this.visible = false;
    this.turn = 0;
    this.element = h("section", { class: "cs-input" },
      h("div", { class: "cs-input-ways" },
        app.net.told.samples.length ? h("div", null, h("h2", null, "Images that come along"), this.samples) : null,
        this.canDraw
          ? [h("div", null, h("h2", null, "Your own"), this.drop, h("label", null, this.invert, " invert it (white strokes on black become black on white, and back)")),
            h("div", null, h("h2", null, "Draw one"), this.pad, h("div", null, h("button", { class: "cs-small", onclick: () => this.clear(true) }, "clear"), " ", h("span", { class: "cs-dim" }, "white on black; it goes in when you lift the pen")))]
          : h("p", { class: "cs-dim" }, `This network takes ${app.net.told.inputs.map((/** @type {any} */ i) => `${i.name} ${times(i.shape)}`).join(" and ")}, which is no picture: give it an array on the command line, --image x.npy.`)),
      this.busy, this.answer, this.current);
    if (this.canDraw) {
      this.drawing();
      this.dropping();
    }
    this.showSamples();
  }

  takesPictures() {
    const inputs = this.app.net.told.inputs;
    return inputs.length === 1 && inputs[0].shape?.length === 3;
  }

  hide() {
    this.visible = false;
  }

  show() {
    this.visible = true;
    const { net } = this.app;
    const run = net.run;
    if (!run) {
      fill(this.current, h("p", null, "No image has gone through the network yet."));
      return;
    }
    const output = run.largest.map(({ position: at, value }) =>
      [`${run.output}(${at.join(", ")})`, decimal(Number(value), 4), bar(Number(value), net.limit(run.output))]);
    const key = `${run.id} ${this.app.ramp.scheme}`;
    if (this.drawn === key) return;
    this.drawn = key;
    const pictures = h("div", { class: "cs-pictures" });
    fill(this.current,
      h("h2", null, `What goes in: ${run.source}`),
      h("div", { class: "cs-current-body" }, pictures, h("div", null, steps(run) ?? h("p", { class: "cs-dim" }, "Taken as it is."),
        h("h3", null, "What comes out"), table(null, output))));
    for (const input of net.told.inputs) {
      const canvas = h("canvas", { class: "cs-picture", role: "img", "aria-label": `${input.name}, ${times(net.shape(input.name))}` });
      put(pictures, h("figure", null, canvas, h("figcaption", null, `${input.name}: ${times(net.shape(input.name))}`)));
      this.picture(canvas, input.name);
    }
  }

  /** The image as the network sees it, in colour if it has three channels. @param {HTMLCanvasElement} canvas @param {string} name */
  async picture(canvas, name) {
    const { net, ramp } = this.app;
    const layer = net.layer(name);
    const shape = net.shape(name);
    const maps = mapsOf(layer, shape);
    const range = net.range(name);
    const tiles = await net.tiles(name, maps === 3 ? [0, 1, 2] : [0], 256).catch(() => null);
    if (!tiles) return;
    const [rows, columns] = tiles.tile;
    const context = penOf(canvas);
    canvas.width = columns;
    canvas.height = rows;
    const scale = Math.max(1, Math.floor(224 / Math.max(rows, columns)));
    canvas.style.width = `${columns * scale}px`;
    const image = context.createImageData(columns, rows);
    const size = rows * columns;
    if (maps === 3) {
      const level = (/** @type {number} */ v) => ((v - range[0]) / (range[1] - range[0] || 1)) * 255;
      for (let n = 0; n < size; n++) {
        for (let c = 0; c < 3; c++) image.data[4 * n + c] = level(tiles.data[c * size + n]);
        image.data[4 * n + 3] = 255;
      }
    } else paint(tiles.data, 0, size, new Uint32Array(image.data.buffer), ramp, net.limit(name), range[0] >= 0 ? range : null);
    context.putImageData(image, 0, 0);
  }

  async showSamples() {
    const { net } = this.app;
    if (!net.told.samples.length) return;
    fill(this.samples, net.told.samples.map((name) => h("button", { class: "cs-small", onclick: () => this.send({ ask: "sample", name }) }, name)));
  }

  dropping() {
    const over = (/** @type {boolean} */ on) => (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      this.drop.classList.toggle("cs-over", on);
    };
    this.element.addEventListener("dragover", over(true));
    this.element.addEventListener("dragleave", over(false));
    this.element.addEventListener("drop", (event) => {
      over(false)(event);
      const file = event.dataTransfer?.files[0];
      if (file) this.take(file);
    });
    // in a notebook only what is pasted here: the rest belongs to others
    (this.app.alone ? document : this.element).addEventListener("paste", (/** @type {any} */ event) => {
      if (!this.visible) return;
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (file) this.take(file);
    }, { signal: this.app.closing.signal });
  }

  /** @param {File} file */
  async take(file) {
    if (file.size > 32 * 2 ** 20) {
      fill(this.answer, h("p", { class: "cs-error", role: "alert" }, `${file.name} has ${grouped(file.size)} bytes; an image may have at most ${grouped(32 * 2 ** 20)}`));
      return;
    }
    const bytes = await file.arrayBuffer();
    await this.send({ ask: "image", name: file.name, steps: this.invert.checked ? ["invert"] : [] }, bytes);
    this.file.value = "";
  }

  /**
   * @param {Record<string, any>} question
   * @param {ArrayBuffer} [bytes]
   */
  async send(question, bytes) {
    const turn = ++this.turn;
    fill(this.answer);
    say(this.busy, "It goes through the network …");
    try {
      const { facts } = await this.app.link.ask(question, bytes);
      if (turn !== this.turn) return;
      if (facts.offer) this.offer(facts, question, /** @type {ArrayBuffer} */ (bytes));
      else await this.app.ran(facts.run);
    } catch (error) {
      if (turn === this.turn) this.app.failed(this.answer, error);
    } finally {
      if (turn === this.turn) say(this.busy, "");
    }
  }

  /** Steps that the image needs before the network can take it. @param {any} facts @param {Record<string, any>} question @param {ArrayBuffer} bytes */
  offer(facts, question, bytes) {
    const chosen = facts.offer.map((/** @type {any} */ one) => one.step);
    const words = /** @type {Record<string, string>} */ ({
      grey: "make it grey: 0.299·R + 0.587·G + 0.114·B", rgb: "make it RGB: the same grey three times", resize: "resize it",
      "crop-and-resize": "cut out the middle and resize that", "background:white": "put it on white", "background:black": "put it on black",
    });
    const choices = facts.offer.map((/** @type {any} */ one, /** @type {number} */ n) => {
      const options = [one.step, ...one.or];
      const select = h("select", { "aria-label": one.why, onchange: () => (chosen[n] = select.value) }, options.map((o) => h("option", { value: o }, words[o] ?? o)));
      return h("li", null, `${one.why}: `, options.length > 1 ? select : h("b", null, words[one.step] ?? one.step));
    });
    fill(this.answer,
      h("p", null, `The picture is not yet what the network takes (${times(facts.shape)}). What is missing:`), h("ul", null, choices),
      h("button", { class: "cs-primary", onclick: () => this.send({ ...question, steps: [...question.steps, ...chosen] }, bytes) }, "Do this, and let it go in"));
  }

  /** @param {boolean} drawn */
  clear(drawn) {
    const context = penOf(this.pad);
    context.fillStyle = "#000";
    context.fillRect(0, 0, PAD, PAD);
    if (drawn) this.inked = false;
  }

  drawing() {
    this.clear(false);
    const context = penOf(this.pad);
    context.strokeStyle = context.fillStyle = "#fff";
    context.lineWidth = PAD / 13;
    context.lineCap = context.lineJoin = "round";
    let pen = [PAD / 2, PAD / 2];
    let down = false;
    const to = (/** @type {number} */ x, /** @type {number} */ y) => {
      context.strokeStyle = "#fff";
      context.beginPath();
      context.moveTo(pen[0], pen[1]);
      context.lineTo(x, y);
      context.stroke();
      pen = [x, y];
      this.inked = true;
    };
    const where = (/** @type {PointerEvent} */ event) => {
      const scale = PAD / (this.pad.clientWidth || PAD);
      return [event.offsetX * scale, event.offsetY * scale];
    };
    this.pad.addEventListener("pointerdown", (event) => {
      this.pad.setPointerCapture(event.pointerId);
      pen = where(event);
      down = true;
      to(pen[0], pen[1] + 0.01);
    });
    this.pad.addEventListener("pointermove", (event) => {
      if (down) to(.../** @type {[number, number]} */ (where(event)));
    });
    const lift = () => {
      if (down) this.sendPad();
      down = false;
    };
    this.pad.addEventListener("pointerup", lift);
    this.pad.addEventListener("pointercancel", lift);
    this.pad.addEventListener("keydown", (event) => {
      const step = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] })[event.key];
      if (event.key === " ") down = true;
      else if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      if (!step) return;
      const [x, y] = [pen[0] + step[0], pen[1] + step[1]].map((v) => Math.max(0, Math.min(PAD, v)));
      if (down) to(x, y);
      else pen = [x, y];
    });
    this.pad.addEventListener("keyup", (event) => event.key === " " && lift());
  }

  async sendPad() {
    if (!this.inked) return;
    const blob = await new Promise((/** @type {(b: Blob | null) => void} */ done) => this.pad.toBlob(done, "image/png"));
    if (!blob) return;
    const inputs = this.app.net.told.inputs[0];
    const channels = inputs.axes.maps === null ? 1 : inputs.shape[inputs.axes.maps];
    await this.send({ ask: "image", name: "your drawing", steps: [channels === 3 ? "rgb" : "grey", "crop-and-resize", ...(this.invert.checked ? ["invert"] : [])] }, await blob.arrayBuffer());
  }
}

/** A bar as long as a number. @param {number} value @param {number} limit */
function bar(value, limit) {
  const made = h("span", { class: "cs-meter" });
  made.style.width = `${limit > 0 ? Math.max(0, value / limit) * 120 : 0}px`;
  return made;
}

/* ---- Keys ------------------------------------------------------------------------------------------------ */

/** @param {App} app @param {KeyboardEvent} event */
function keyed(app, event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.closest?.("dialog[open]") || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName ?? "")) return;
  if (target.getAttribute?.("role") === "tab" && /^Arrow(Left|Right)$/.test(event.key)) return tabbed(app, event);
  const { net, place } = app;
  const layer = net.layer(place.layer);
  const shape = net.shape(place.layer);
  const { maps, rows, columns } = layer.axes;
  const step = event.shiftKey ? 8 : 1;
  const move = (/** @type {number | null} */ axis, /** @type {number} */ by) => {
    if (axis === null) return false;
    const to = Math.max(0, Math.min(shape[axis] - 1, place.at[axis] + by));
    if (to !== place.at[axis]) app.go({ at: place.at.map((p, n) => (n === axis ? to : p)) });
    return true;
  };
  const onMap = place.screen === "microscope" || place.screen === "models";
  /** @type {Record<string, () => any>} */
  const keys = {
    ArrowLeft: () => onMap && move(columns, -step), ArrowRight: () => onMap && move(columns, step),
    ArrowUp: () => onMap && move(rows, -step), ArrowDown: () => onMap && move(rows, step),
    ",": () => move(maps ?? columns, -1), ".": () => move(maps ?? columns, 1),
    "[": () => beside(app, -1), "]": () => beside(app, 1),
    m: () => app.go({ model: MODELS[(MODELS.indexOf(place.model) + 1) % MODELS.length], screen: "models" }),
    c: () => {
      const all = /** @type {(keyof typeof COLOURS)[]} */ (Object.keys(COLOURS));
      const colour = all[(all.indexOf(place.colour) + 1) % all.length];
      app.go({ colour });
      app.tell(`colours: ${COLOURS[colour]}`);
    },
    "/": () => app.finder.open(),
    "?": () => app.help.showModal(),
    Escape: () => app.up(),
    Enter: () => target.getAttribute?.("role") === "gridcell" && deeper(app),
  };
  const act = keys[event.key];
  if (act && act() !== false) event.preventDefault();
}

/** @param {App} app @param {KeyboardEvent} event */
function tabbed(app, event) {
  const by = event.key === "ArrowRight" ? 1 : -1;
  const screen = screens[(screens.indexOf(app.place.screen) + by + screens.length) % screens.length];
  app.go({ screen });
  app.tabs.get(screen)?.focus();
  event.preventDefault();
}

/** The layer before or after. @param {App} app @param {number} by */
function beside(app, by) {
  const { net, place } = app;
  const name = net.names[net.names.indexOf(place.layer) + by];
  if (name) openLayer(app, name);
}

/** Go down from the keyboard: to the middle of what weighs most, or to the first thing that is read. @param {App} app */
function deeper(app) {
  const { microscope } = app;
  const now = microscope.now;
  if (!now) return;
  if (now.led.groups) {
    const feed = now.detail.feeds[now.led.groups.tensor];
    if (feed) microscope.down(feed, microscope.centre(microscope.lensGroup()));
    return;
  }
  const read = now.led.readings.find((/** @type {any} */ r) => now.detail.feeds[r.name]);
  if (read) microscope.down(now.detail.feeds[read.name], read.index);
}

/* ---- Render ---------------------------------------------------------------------------------------------- */

export default {
  /**
   * Draw the explorer into an element; returns what takes it away again.
   * @param {{model: Model, el: HTMLElement}} given
   */
  async render({ model, el }) {
    const root = h("div", { class: "convscope" }, h("p", { class: "cs-wait" }, "Reading the network …"));
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take our keys for commands on the cell
    el.append(root);
    const link = new Link(model);
    /** @type {App | null} */
    let app = null;
    link.heard = (status, text) => (app ? app.hostIs(status, text) : fill(root, h("p", { class: "cs-wait" }, text)));
    try {
      const net = new Network(link, (await link.ask({ ask: "network" })).facts);
      app = new App(model, root, link, net, await beginning(model, net));
    } catch (error) {
      fill(root, h("p", { class: "cs-error", role: "alert" }, message(error)));
      throw error;
    }
    return () => app?.close();
  },
};

/** Where to begin: at the address, or where there is most to see. @param {Model} model @param {Network} net @returns {Promise<Place>} */
async function beginning(model, net) {
  const layer = firstLayer(net);
  const address = model.get("page") ? location.hash.slice(1) : "";
  /** @type {Place} */
  const place = { screen: net.run ? "microscope" : "stack", layer, at: await liveliest(net, layer), model: "real", colour: "layer", sort: "index" };
  return address ? parsePlace(address, net, place) : place;
}
