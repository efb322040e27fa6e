// == The evaluator ================================================================================
//
// The value, the ledger and the windows of any layer, from its equation's JSON (notation/serial.py says
// what it holds) and the numbers it reads: notation/evaluation.py and notation/ledger.py over again, in
// float64. It knows the language of equations and no layer: what a convolution is, it reads there; how a
// number is taken apart stands in the JSON too.
//
// An equation is compiled once, to closures over one array `at` that holds the position along each axis;
// numbers are read by strides where they lie. Values that the equation defines on the way (locals: the
// mean of a normalisation) are computed once for each `values` object, so new numbers need a new object.

/** @typedef {number | string | null} Size a number; a symbol's text or null where it is none yet */
/** @typedef {number | {op: "floor" | "mod" | "exact", of: IndexJson, by: Size}} AtomJson */
/** @typedef {{terms: [AtomJson, Size][], const: Size}} IndexJson */
/** @typedef {"zero" | "-inf" | "skip" | "edge"} Outside */
/** @typedef {{read: string, at: IndexJson[], padding?: [Size, Size][], outside?: Outside}} ReadJson */
/** @typedef {{reduce: "sum" | "max" | "mean", over: number[], body: ExpressionJson}} ReductionJson */
/** @typedef {{along: number, ends: Size[], pieces: ExpressionJson[]}} PiecesJson */
/**
 * @typedef {{number: number | string} | ReadJson | {op: "+" | "-" | "*" | "/", args: ExpressionJson[]}
 *   | {call: string, args: ExpressionJson[]} | ReductionJson | PiecesJson} ExpressionJson
 */
/** @typedef {string | number | unknown[]} FormulaJson ["max", "x", 0]: a function, and formulas */
/**
 * @typedef {object} MainJson
 * @property {"sum" | "max" | "mean"} reduce
 * @property {number | null} over
 * @property {number[]} window
 * @property {ReadJson} read
 * @property {ReadJson[]} weights
 * @property {number | null} channel
 */
/**
 * @typedef {object} LedgerJson
 * @property {number[]} axes
 * @property {ExpressionJson} preactivation
 * @property {string[]} activation
 * @property {boolean} whole
 * @property {MainJson | null} main
 * @property {ExpressionJson[]} added
 * @property {number[]} listed_axes
 * @property {ExpressionJson[]} listed
 */
/**
 * @typedef {object} EquationJson
 * @property {string} name
 * @property {string} text
 * @property {number[]} axes
 * @property {ExpressionJson} expression
 * @property {{name: string, axes: number[], expression: ExpressionJson}[]} locals
 * @property {Record<string, {role: "input" | "weight", shape: Size[] | null}>} tensors
 * @property {{name: string, size: Size, word: string}[]} index
 * @property {Record<string, {parameters: string[], formula: FormulaJson}>} functions
 * @property {LedgerJson} ledger
 */
/**
 * @typedef {object} Patch part of a tensor, or all of it
 * @property {Float32Array | Float64Array} data in C order
 * @property {ArrayLike<number>} origin where it starts, along each axis
 * @property {ArrayLike<number>} shape its own shape
 * @property {ArrayLike<number>} whole the shape of the whole tensor
 */
/** @typedef {Record<string, Patch>} Values */
/** @typedef {[number, number][]} Box (first, last) along each axis */
/** @typedef {() => number} Numeric */
/** @typedef {() => boolean} Test */
/**
 * @typedef {object} Reading one number that is read outside any sum
 * @property {string} name
 * @property {number[]} index
 * @property {number} value
 * @property {"input" | "weight" | "local"} role
 */
/**
 * @typedef {object} Groups the terms under the main reduction, one group for each input channel; what is
 *   "per term" lies in C order over (group, ...sizes)
 * @property {string} tensor what is read
 * @property {number} count how many groups
 * @property {string[]} axes the names of the window's axes
 * @property {number[]} sizes the window's sizes
 * @property {number} rank how many indices the tensor has
 * @property {number | null} channel which of them says the channel
 * @property {Int32Array} channels which input channel each group reads
 * @property {Int32Array} places per term: where it reads, `rank` numbers each
 * @property {Float64Array} windows per term: the input's number
 * @property {Uint8Array} inside per term: 0 where it lies in the padding
 * @property {Float64Array | null} kernels per term: the weight; null where there is none
 * @property {Float64Array | null} products per term: window × kernel; null where there is no weight
 * @property {Float64Array} partials each group's sum (or maximum, or share of the mean)
 * @property {number[][]} corners where each group's window starts, the channel's index left out
 */
/**
 * @typedef {object} Ledger the arithmetic of one output number
 * @property {number[]} position
 * @property {number} value the output
 * @property {number} preactivation the number before the activation; the value where there is none
 * @property {number | null} bias what is added to the main sum; null where nothing is
 * @property {number} terms how many numbers the main reduction takes in; 0 where there is none
 * @property {"sum" | "max" | "mean" | null} reduction
 * @property {string[]} activation the names of the functions applied last, outermost first
 * @property {boolean} whole whether an activation over a whole axis is applied last instead (softmax)
 * @property {Reading[]} readings
 * @property {Groups | null} groups
 */

/**
 * Return the number at one position of an equation's output.
 * @param {EquationJson} equation
 * @param {ArrayLike<number>} position
 * @param {Values} values every tensor that `needs` names, whole or the part it asks for
 * @returns {number}
 */
export function evaluate(equation, position, values) {
  const program = programOf(equation);
  program.start(position, values);
  return program.value();
}

/**
 * Return which box of each tensor the number at one position is made from. Inputs' boxes are clipped to
 * the tensor; a tensor of which nothing is read is absent.
 * @param {EquationJson} equation
 * @param {ArrayLike<number>} position
 * @returns {Record<string, Box>}
 */
export function needs(equation, position) {
  const windows = new Windows(equation);
  const low = new Array(equation.index.length).fill(0);
  const high = low.slice();
  placed(equation, position);
  equation.axes.forEach((axis, n) => (low[axis] = high[axis] = position[n]));
  windows.visit(equation.expression, low, high);
  return Object.fromEntries(windows.boxes);
}

/**
 * Return the number at one position taken apart.
 * @param {EquationJson} equation
 * @param {ArrayLike<number>} position
 * @param {Values} values as for `evaluate`
 * @returns {Ledger}
 */
export function ledger(equation, position, values) {
  const program = programOf(equation);
  program.start(position, values);
  const value = program.value();
  const parts = program.parts();
  const { activation, whole } = equation.ledger;
  program.stand(parts.axes, position);
  const preactivation = activation.length || whole ? parts.preactivation() : value;
  const bias = parts.added.length ? parts.added.reduce((sum, part) => sum + part(), 0) : null;
  const groups = parts.main && groupsOf(program.at, parts.main);
  program.stand(parts.listedAxes, position);
  const readings = parts.listed.flatMap((list) => list());
  return {
    position: Array.from(position),
    value,
    preactivation,
    bias,
    terms: groups ? groups.windows.length : 0,
    reduction: parts.main && parts.main.kind,
    activation,
    whole,
    readings,
    groups,
  };
}

/** @type {WeakMap<EquationJson, Program>} */
const PROGRAMS = new WeakMap();

/** @param {EquationJson} equation */
function programOf(equation) {
  let program = PROGRAMS.get(equation);
  if (!program) {
    program = new Program(equation);
    PROGRAMS.set(equation, program);
  }
  return program;
}

/**
 * @param {EquationJson} equation
 * @param {ArrayLike<number>} position
 */
function placed(equation, position) {
  const { axes, index } = equation;
  const text = Array.from(position).join(", ");
  if (position.length !== axes.length) {
    throw new RangeError(`(${text}) has ${position.length} places; ${equation.name} has ${axes.length}`);
  }
  axes.forEach((axis, n) => {
    const size = index[axis].size;
    const fits = typeof size !== "number" || position[n] < size;
    if (!Number.isInteger(position[n]) || position[n] < 0 || !fits) {
      throw new RangeError(`(${text}) is not in ${equation.name}: axis ${index[axis].name} has ${size}`);
    }
  });
}

/**
 * Return a size that has to be a number.
 * @param {Size} size
 */
function known(size) {
  if (typeof size === "number") return size;
  throw new RangeError(`this cannot be computed before ${size === null ? "a size" : size} is a number`);
}

/**
 * An index, compiled.
 * @typedef {object} Index
 * @property {Numeric} place where it is
 * @property {Test | null} comesOut whether its exact divisions come out whole; null where there are none
 * @property {{slopes: Map<number, number>, at0: number} | null} affine its slope along every axis, if it is
 */

/** A tensor that numbers are read from, bound anew for every question. */
class Source {
  /**
   * @param {string} name
   * @param {Size[] | null} shape
   */
  constructor(name, shape) {
    this.name = name;
    /** @type {Float32Array | Float64Array | null} */
    this.data = null;
    this.shape = shape;
    /** @type {ArrayLike<number>} the whole tensor's sizes; NaN where nobody knows one */
    this.whole = [];
    /** @type {ArrayLike<number>} */
    this.origin = [];
    /** @type {ArrayLike<number>} */
    this.sizes = [];
    /** @type {number[]} */
    this.strides = [];
    this.declared = (shape || []).map((size) => (typeof size === "number" ? size : NaN));
  }

  /** @param {Patch | undefined} patch */
  bind(patch) {
    this.data = null;
    this.whole = this.declared;
    if (!patch) return; // nothing of it is needed, or the first read says so
    this.data = patch.data;
    this.whole = patch.whole;
    this.origin = patch.origin;
    this.sizes = patch.shape;
    let stride = 1;
    for (let d = patch.shape.length - 1; d >= 0; d--) {
      this.strides[d] = stride;
      stride *= patch.shape[d];
    }
    if (stride !== patch.data.length) {
      const shape = Array.from(patch.shape).join("×");
      throw new RangeError(`${this.name}: ${patch.data.length} numbers are not ${shape}`);
    }
  }

  /**
   * @param {number} dimension
   * @param {number} place
   * @returns {never}
   */
  missing(dimension, place) {
    if (!this.data) throw new RangeError(`${this.name} is read, and not among the values`);
    const first = this.origin[dimension];
    const last = first + this.sizes[dimension] - 1;
    throw new RangeError(
      `${this.name} is read at ${place} along axis ${dimension}; what was given runs from ${first} to ${last}`,
    );
  }
}

/**
 * What is known of a local: in a table, if it is small, or by its place or its indices' text.
 * @typedef {object} Memory
 * @property {Float64Array | null} table
 * @property {Uint8Array | null} known
 * @property {Map<number | string, number>} others
 */

/** A tensor that the equation defines: each of its numbers is computed once for one set of values. */
class Held {
  /**
   * @param {Program} program
   * @param {number[]} axes
   * @param {ExpressionJson} expression
   */
  constructor(program, axes, expression) {
    this.at = program.at;
    this.axes = axes;
    const sizes = axes.map((axis) => program.equation.index[axis].size);
    this.sizes = sizes.map((size) => (typeof size === "number" ? size : 0));
    this.length = this.sizes.reduce((a, b) => a * b, 1);
    this.saved = new Array(axes.length).fill(0);
    this.value = program.compile(expression);
    /** @type {Memory} */
    this.memory = this.remember();
  }

  /** @returns {Memory} */
  remember() {
    const small = this.length > 0 && this.length <= 65536;
    return {
      table: small ? new Float64Array(this.length) : null,
      known: small ? new Uint8Array(this.length) : null,
      others: new Map(),
    };
  }

  /**
   * @param {Int32Array} places
   * @param {number} start where the places of this read begin
   */
  read(places, start) {
    const { axes, sizes, memory } = this;
    let flat = 0;
    for (let n = 0; n < axes.length && flat >= 0; n++) {
      const place = places[start + n];
      flat = place >= 0 && place < sizes[n] ? flat * sizes[n] + place : -1;
    }
    if (flat >= 0 && memory.table && memory.known) {
      if (!memory.known[flat]) {
        memory.table[flat] = this.compute(places, start);
        memory.known[flat] = 1;
      }
      return memory.table[flat];
    }
    const key = flat >= 0 ? flat : places.subarray(start, start + axes.length).join();
    let found = memory.others.get(key);
    if (found === undefined) {
      found = this.compute(places, start);
      memory.others.set(key, found);
    }
    return found;
  }

  /**
   * @param {Int32Array} places
   * @param {number} start
   */
  compute(places, start) {
    const { at, axes, saved } = this;
    for (let n = 0; n < axes.length; n++) {
      saved[n] = at[axes[n]];
      at[axes[n]] = places[start + n];
    }
    const value = this.value();
    for (let n = 0; n < axes.length; n++) at[axes[n]] = saved[n];
    return value;
  }
}

/**
 * @typedef {object} Row
 * @property {Source} source
 * @property {Map<number, number>[]} slopes of each index along every axis
 * @property {number[]} at0 each index where every axis is 0
 * @property {boolean[]} bordered which indices may fall outside
 * @property {number} fill what is found there
 */
/**
 * A read, compiled. `fetch` and `inside` are told where in an array its places were put; `inside` is null
 * where everything lies inside. `row` is what a fast loop needs: null unless the indices are affine and the
 * border is plain.
 * @typedef {object} CompiledRead
 * @property {Numeric} value
 * @property {Numeric[]} places
 * @property {(places: Int32Array, start: number) => number} fetch
 * @property {((places: Int32Array, start: number) => boolean) | null} inside
 * @property {Row | null} row
 */

/** An equation as closures over `at`. */
class Program {
  /** @param {EquationJson} equation */
  constructor(equation) {
    this.equation = equation;
    this.at = new Int32Array(equation.index.length);
    /** @type {Map<string, Source>} */
    this.sources = new Map();
    /** @type {Map<string, Held>} */
    this.held = new Map();
    for (const [name, { shape }] of Object.entries(equation.tensors)) {
      this.sources.set(name, new Source(name, shape));
    }
    for (const { name, axes, expression } of equation.locals) {
      this.held.set(name, new Held(this, axes, expression));
    }
    /** @type {WeakMap<Values, Memory[]>} */
    this.memories = new WeakMap();
    this.value = this.compile(equation.expression);
    /** @type {ReturnType<Program["opened"]> | null} */
    this.taken = null;
  }

  /**
   * Stand at a position, with these values.
   * @param {ArrayLike<number>} position
   * @param {Values} values
   */
  start(position, values) {
    placed(this.equation, position);
    for (const [name, source] of this.sources) source.bind(Object.hasOwn(values, name) ? values[name] : undefined);
    let memories = this.memories.get(values);
    const held = [...this.held.values()];
    if (!memories) {
      memories = held.map((item) => item.remember());
      this.memories.set(values, memories);
    }
    for (let n = 0; n < held.length; n++) held[n].memory = memories[n];
    this.stand(this.equation.axes, position);
  }

  /**
   * @param {number[]} axes
   * @param {ArrayLike<number>} position
   */
  stand(axes, position) {
    axes.forEach((axis, n) => (this.at[axis] = position[n]));
  }

  /** What a ledger asks for, compiled when the first one does. */
  parts() {
    return (this.taken = this.taken || this.opened());
  }

  opened() {
    const { axes, preactivation, main, added, listed_axes, listed } = this.equation.ledger;
    return {
      axes,
      preactivation: this.compile(preactivation),
      added: added.map((part) => this.compile(part)),
      listedAxes: listed_axes,
      listed: listed.map((part) => this.readings(part)),
      main: main && {
        kind: main.reduce,
        over: main.over === null ? [] : [main.over],
        overSize: main.over === null ? 1 : this.size(main.over),
        window: main.window,
        names: main.window.map((axis) => this.equation.index[axis].name),
        sizes: main.window.map((axis) => this.size(axis)),
        tensor: main.read.read,
        skips: main.read.outside === "skip",
        read: this.read(main.read),
        weights: main.weights.map((read) => this.read(read)),
        channel: main.channel,
      },
    };
  }

  /** @param {number} axis */
  size(axis) {
    return known(this.equation.index[axis].size);
  }

  /**
   * @param {ExpressionJson} node
   * @returns {Numeric}
   */
  compile(node) {
    if ("number" in node) {
      const { number } = node;
      const value = number === "inf" ? Infinity : number === "-inf" ? -Infinity : Number(number);
      return () => value;
    }
    if ("read" in node) return this.read(node).value;
    if ("call" in node) return this.call(node.call, node.args.map((part) => this.compile(part)));
    if ("reduce" in node) return this.reduction(node);
    if ("pieces" in node) return this.pieces(node);
    const [a, b] = node.args.map((part) => this.compile(part));
    switch (node.op) {
      case "+":
        return () => a() + b();
      case "-":
        return () => a() - b();
      case "*":
        return () => a() * b();
      case "/":
        return () => a() / b();
    }
  }

  /**
   * @param {PiecesJson} node
   * @returns {Numeric}
   */
  pieces({ along, ends, pieces }) {
    const { at } = this;
    const stops = ends.map(known);
    const bodies = pieces.map((piece) => this.compile(piece));
    return () => {
      let n = 0;
      while (at[along] >= stops[n]) n++;
      return bodies[n]();
    };
  }

  // -- functions ----------------------------------------------------------------------------------

  /**
   * @param {string} name
   * @param {Numeric[]} args
   * @returns {Numeric}
   */
  call(name, args) {
    const own = this.equation.functions[name];
    if (!own) return primitive(name, args);
    const registers = new Float64Array(args.length);
    const body = formula(own.formula, own.parameters, registers);
    if (args.length === 1) {
      const [x] = args;
      return () => {
        registers[0] = x();
        return body();
      };
    }
    return () => {
      for (let n = 0; n < args.length; n++) registers[n] = args[n]();
      return body();
    };
  }

  // -- indices and reads --------------------------------------------------------------------------

  /**
   * @param {IndexJson} data
   * @returns {Index}
   */
  index(data) {
    const { at } = this;
    const at0 = known(data.const);
    /** @type {Map<number, number>} */
    const slopes = new Map();
    /** @type {{place: Numeric, factor: number}[]} */
    const divided = [];
    /** @type {Test[]} */
    const tests = [];
    for (const [atom, size] of data.terms) {
      const factor = known(size);
      if (typeof atom === "number") {
        slopes.set(atom, (slopes.get(atom) || 0) + factor);
        continue;
      }
      const { place: of, comesOut } = this.index(atom.of);
      const by = known(atom.by);
      if (comesOut) tests.push(comesOut);
      if (atom.op === "mod") divided.push({ place: () => modulo(of(), by), factor });
      else divided.push({ place: () => Math.floor(of() / by), factor });
      if (atom.op === "exact" && by !== 1) tests.push(() => modulo(of(), by) === 0);
    }
    const axes = [...slopes.keys()];
    const factors = [...slopes.values()];
    const [a, b] = axes;
    const [f, g] = factors;
    /** @type {Numeric} */
    let affine;
    if (axes.length === 0) affine = () => at0;
    else if (axes.length === 1 && f === 1) affine = () => at[a] + at0;
    else if (axes.length === 1) affine = () => at[a] * f + at0;
    else if (axes.length === 2) affine = () => at[a] * f + at[b] * g + at0;
    else {
      affine = () => {
        let sum = at0;
        for (let n = 0; n < axes.length; n++) sum += at[axes[n]] * factors[n];
        return sum;
      };
    }
    let place = affine;
    if (divided.length === 1) {
      const [{ place: one, factor }] = divided;
      place = () => affine() + one() * factor;
    } else if (divided.length) {
      place = () => {
        let sum = affine();
        for (let n = 0; n < divided.length; n++) sum += divided[n].place() * divided[n].factor;
        return sum;
      };
    }
    return {
      place,
      comesOut: every(tests),
      affine: divided.length ? null : { slopes, at0 },
    };
  }

  /**
   * @param {ReadJson} node
   * @returns {CompiledRead}
   */
  read(node) {
    const indices = node.at.map((index) => this.index(index));
    const places = indices.map((index) => index.place);
    const comesOut = every(indices.flatMap((index) => index.comesOut || []));
    const rank = places.length;
    const found = new Int32Array(rank);
    /** @type {CompiledRead["fetch"]} */
    let fetch;
    const value = () => {
      for (let d = 0; d < rank; d++) found[d] = places[d]();
      return fetch(found, 0);
    };
    const held = this.held.get(node.read);
    if (held) {
      fetch = (from, start) => held.read(from, start);
      return { value, places, fetch, inside: comesOut && (() => comesOut()), row: null };
    }
    const source = this.sources.get(node.read);
    if (!source) throw new RangeError(`${node.read} is not among the equation's tensors`);
    const outside = node.outside || "zero";
    const bordered = indices.map((_, n) => {
      const [before, after] = (node.padding || [])[n] || [0, 0];
      return before !== 0 || after !== 0;
    });
    const fill = outside === "-inf" ? -Infinity : 0;
    const edge = outside === "edge" && (comesOut !== null || bordered.some(Boolean));
    /** @type {CompiledRead["inside"]} */
    const inside = (from, start) => {
      if (comesOut && !comesOut()) return false;
      const { whole } = source;
      for (let d = 0; d < rank; d++) {
        const place = from[start + d];
        if (bordered[d] && (place < 0 || place >= whole[d])) return false;
      }
      return true;
    };
    fetch = (from, start) => {
      if (!edge && comesOut && !comesOut()) return fill;
      const { whole, origin, sizes, strides, data } = source;
      let offset = 0;
      let lost = -1;
      for (let d = 0; d < rank; d++) {
        let place = from[start + d];
        if (edge) place = Math.min(Math.max(place, 0), whole[d] - 1);
        else if (bordered[d] && (place < 0 || place >= whole[d])) return fill;
        const own = place - origin[d];
        if (!(own >= 0 && own < sizes[d])) lost = d;
        offset += own * strides[d];
      }
      if (data === null) return source.missing(0, 0);
      if (lost >= 0) return source.missing(lost, from[start + lost]);
      return data[offset];
    };
    const affine = indices.flatMap((index) => index.affine || []);
    const plain = affine.length === rank && !edge;
    return {
      value,
      places,
      fetch,
      inside: comesOut || bordered.some(Boolean) ? inside : null,
      row: plain
        ? {
            source,
            slopes: affine.map(({ slopes }) => slopes),
            at0: affine.map(({ at0 }) => at0),
            bordered,
            fill,
          }
        : null,
    };
  }

  /**
   * Return a function that lists what an expression reads outside reductions, each thing once.
   * @param {ExpressionJson} expression
   * @returns {() => Reading[]}
   */
  readings(expression) {
    const { at, equation } = this;
    /** @type {Map<string, Reading>} */
    const found = new Map();
    /**
     * @param {ExpressionJson} node
     * @returns {() => void}
     */
    const visit = (node) => {
      if ("read" in node) {
        const name = node.read;
        const { places, value } = this.read(node);
        const tensor = this.held.has(name) ? null : equation.tensors[name];
        const role = tensor ? tensor.role : "local";
        return () => {
          const index = places.map((place) => place());
          found.set(JSON.stringify([name, index]), { name, index, value: value(), role });
        };
      }
      if ("pieces" in node) {
        const stops = node.ends.map(known);
        const bodies = node.pieces.map(visit);
        return () => bodies[stops.findIndex((stop) => at[node.along] < stop)]();
      }
      const parts = "args" in node ? node.args.map(visit) : [];
      return () => parts.forEach((part) => part());
    };
    const walk = visit(expression);
    return () => {
      found.clear();
      walk();
      return [...found.values()];
    };
  }

  // -- reductions ---------------------------------------------------------------------------------

  /**
   * @param {ReductionJson} node
   * @returns {Numeric}
   */
  reduction({ reduce: kind, over, body }) {
    const sizes = over.map((axis) => this.size(axis));
    const count = sizes.reduce((a, b) => a * b, 1);
    const parts = factorsOf(body);
    const rows = parts.flatMap((part) => ("read" in part && this.read(part).row) || []);
    const skip = kind === "mean" ? this.skipped(body) : null;
    if (rows.length === parts.length && over.length && (!skip || rows.length === 1)) {
      return this.rows(kind, over, sizes, rows, skip !== null);
    }
    const { at } = this;
    const term = this.compile(body);
    const saved = over.map(() => 0);
    return () => {
      let total = kind === "max" ? -Infinity : 0;
      let inside = 0;
      for (let n = 0; n < over.length; n++) {
        saved[n] = at[over[n]];
        at[over[n]] = 0;
      }
      for (let n = 0; n < count; n++) {
        total = kind === "max" ? Math.max(total, term()) : total + term();
        if (skip && skip()) inside++;
        step(at, over, sizes);
      }
      for (let n = 0; n < over.length; n++) at[over[n]] = saved[n];
      return kind === "mean" ? total / (skip ? inside : count) : total;
    };
  }

  /**
   * Return whether a term counts in a mean whose border does not exist; null where all do.
   * @param {ExpressionJson} node
   * @returns {Test | null}
   */
  skipped(node) {
    if ("read" in node) {
      if (node.outside !== "skip" || this.held.has(node.read)) return null;
      const { places, inside } = this.read(node);
      const found = new Int32Array(places.length);
      if (!inside) return null;
      return () => {
        for (let d = 0; d < found.length; d++) found[d] = places[d]();
        return inside(found, 0);
      };
    }
    for (const part of partsOf(node)) {
      const found = this.skipped(part);
      if (found) return found;
    }
    return null;
  }

  /**
   * Return a reduction of a product of affine reads, row by row of the last axis: what lies inside is read
   * along one stride, in a loop that has nothing else to do.
   * @param {"sum" | "max" | "mean"} kind
   * @param {number[]} over
   * @param {number[]} sizes
   * @param {Row[]} reads
   * @param {boolean} skip
   * @returns {Numeric}
   */
  rows(kind, over, sizes, reads, skip) {
    const { at } = this;
    const last = over.length - 1;
    const length = sizes[last];
    const outer = over.slice(0, last);
    const outerSizes = sizes.slice(0, last);
    const count = outerSizes.reduce((a, b) => a * b, 1);
    const saved = over.map(() => 0);
    const largest = kind === "max";
    const operands = reads.map(({ source, slopes, at0, bordered, fill }) => ({
      source,
      at0,
      bordered,
      fill,
      axes: slopes.map((each) => Int32Array.from(each.keys()).filter((axis) => axis !== over[last])),
      factors: slopes.map((each) =>
        Float64Array.from([...each].filter(([axis]) => axis !== over[last]).map(([, factor]) => factor)),
      ),
      along: slopes.map((each) => each.get(over[last]) || 0),
      first: 0, // the terms of this row that lie inside: first ≤ t < end
      end: 0,
      offset: 0, // where term 0 of this row lies, and how far apart the terms are
      stride: 0,
    }));
    /** @typedef {typeof operands[number]} Operand */

    /** @param {Operand} operand */
    const align = (operand) => {
      const { source, at0, bordered, axes, factors, along } = operand;
      const { whole, origin, sizes: given, strides } = source;
      let first = 0;
      let end = length;
      let offset = 0;
      let stride = 0;
      for (let d = 0; d < at0.length; d++) {
        let place = at0[d];
        const own = axes[d];
        for (let n = 0; n < own.length; n++) place += at[own[n]] * factors[d][n];
        const slope = along[d];
        if (bordered[d]) {
          if (slope === 0) {
            if (place < 0 || place >= whole[d]) end = 0;
          } else {
            const a = -place / slope;
            const b = (whole[d] - 1 - place) / slope;
            first = Math.max(first, Math.ceil(Math.min(a, b)));
            end = Math.min(end, Math.floor(Math.max(a, b)) + 1);
          }
        }
        offset += (place - origin[d]) * strides[d];
        stride += slope * strides[d];
      }
      if (end < first) end = first = Math.min(first, length);
      operand.first = first;
      operand.end = end;
      operand.offset = offset;
      operand.stride = stride;
      if (first === end) return;
      for (let d = 0; d < at0.length; d++) {
        let place = at0[d];
        const own = axes[d];
        for (let n = 0; n < own.length; n++) place += at[own[n]] * factors[d][n];
        const a = place + along[d] * first;
        const b = place + along[d] * (end - 1);
        const lowest = Math.min(a, b);
        const highest = Math.max(a, b);
        if (!(lowest >= origin[d])) source.missing(d, lowest);
        if (!(highest < origin[d] + given[d])) source.missing(d, highest);
      }
      if (source.data === null) source.missing(0, 0);
    };

    /**
     * One term of the row, wherever it lies.
     * @param {number} t
     */
    const term = (t) => {
      let product = 1;
      for (let n = 0; n < operands.length; n++) {
        const { source, first, end, offset, stride, fill } = operands[n];
        const inside = t >= first && t < end;
        product *= inside && source.data ? source.data[offset + t * stride] : fill;
      }
      return product;
    };

    /**
     * The terms first ≤ t < end of the row, added to (or compared with) a total.
     * @param {number} total
     * @param {number} first
     * @param {number} end
     */
    const slowly = (total, first, end) => {
      for (let t = first; t < end; t++) total = largest ? Math.max(total, term(t)) : total + term(t);
      return total;
    };

    const [one, two] = operands;
    return () => {
      for (let n = 0; n < over.length; n++) {
        saved[n] = at[over[n]];
        at[over[n]] = 0;
      }
      let total = largest ? -Infinity : 0;
      let inside = 0;
      for (let row = 0; row < count; row++) {
        let first = 0;
        let end = length;
        for (let n = 0; n < operands.length; n++) {
          align(operands[n]);
          first = Math.max(first, operands[n].first);
          end = Math.min(end, operands[n].end);
        }
        if (end < first) end = first;
        inside += one.end - one.first;
        const a = one.source.data;
        const b = operands.length === 2 ? two.source.data : null;
        total = slowly(total, 0, first);
        if (operands.length === 2 && !largest && a && b) {
          let i = one.offset + first * one.stride;
          let j = two.offset + first * two.stride;
          const { stride } = one;
          const { stride: other } = two;
          for (let t = first; t < end; t++) {
            total += a[i] * b[j];
            i += stride;
            j += other;
          }
        } else if (operands.length === 1 && a) {
          let i = one.offset + first * one.stride;
          const { stride } = one;
          if (largest) for (let t = first; t < end; t++, i += stride) total = Math.max(total, a[i]);
          else for (let t = first; t < end; t++, i += stride) total += a[i];
        } else {
          total = slowly(total, first, end);
        }
        total = slowly(total, end, length);
        step(at, outer, outerSizes);
      }
      for (let n = 0; n < over.length; n++) at[over[n]] = saved[n];
      return kind === "mean" ? total / (skip ? inside : count * length) : total;
    };
  }
}

/**
 * Move on to the next step of axes, the last one first.
 * @param {Int32Array} at
 * @param {number[]} axes
 * @param {number[]} sizes
 */
function step(at, axes, sizes) {
  for (let n = axes.length - 1; n >= 0; n--) {
    if (++at[axes[n]] < sizes[n]) return;
    at[axes[n]] = 0;
  }
}

/**
 * @param {Test[]} tests
 * @returns {Test | null}
 */
function every(tests) {
  if (tests.length < 2) return tests[0] || null;
  return () => tests.every((test) => test());
}

/**
 * @param {number} value
 * @param {number} by
 */
function modulo(value, by) {
  return value - by * Math.floor(value / by);
}

/**
 * @param {ExpressionJson} node
 * @returns {ExpressionJson[]}
 */
function factorsOf(node) {
  return "op" in node && node.op === "*" ? node.args.flatMap(factorsOf) : [node];
}

/**
 * @param {ExpressionJson} node
 * @returns {ExpressionJson[]}
 */
function partsOf(node) {
  if ("args" in node) return node.args;
  if ("pieces" in node) return node.pieces;
  return "body" in node ? [node.body] : [];
}

/**
 * @param {string} name
 * @param {Numeric[]} args
 * @returns {Numeric}
 */
function primitive(name, [x, a, b]) {
  switch (name) {
    case "add":
      return () => x() + a();
    case "sub":
      return () => x() - a();
    case "mul":
      return () => x() * a();
    case "div":
      return () => x() / a();
    case "max":
      return () => Math.max(x(), a());
    case "min":
      return () => Math.min(x(), a());
    case "exp":
      return () => Math.exp(x());
    case "log":
      return () => Math.log(x());
    case "log1p":
      return () => Math.log1p(x());
    case "sqrt":
      return () => Math.sqrt(x());
    case "tanh":
      return () => Math.tanh(x());
    case "erf":
      return () => errorFunction(x());
    case "abs":
      return () => Math.abs(x());
    case "select":
      return () => (x() > 0 ? a() : b());
  }
  throw new RangeError(`there is no function ${name}`);
}

/**
 * @param {unknown} node a FormulaJson
 * @param {string[]} parameters
 * @param {Float64Array} registers
 * @returns {Numeric}
 */
function formula(node, parameters, registers) {
  if (typeof node === "number") return () => node;
  if (typeof node === "string") {
    const n = parameters.indexOf(node);
    return () => registers[n];
  }
  if (!Array.isArray(node)) throw new RangeError(`${node} is no formula`);
  const [name, ...rest] = node;
  return primitive(String(name), rest.map((part) => formula(part, parameters, registers)));
}

/**
 * erf: below 2 by its series of positive terms, 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)); above
 * by the continued fraction of 1 − erf, which is then so small that its own error does not show.
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

/**
 * @param {Int32Array} at
 * @param {NonNullable<ReturnType<Program["opened"]>["main"]>} main
 * @returns {Groups}
 */
function groupsOf(at, main) {
  const { kind, over, overSize: count, window, sizes, read, weights, channel } = main;
  const each = sizes.reduce((a, b) => a * b, 1);
  const axes = [...over, ...window];
  const lengths = over.length ? [count, ...sizes] : sizes;
  const rank = read.places.length;
  const windows = new Float64Array(count * each);
  const inside = new Uint8Array(count * each).fill(1);
  const kernels = weights.length ? new Float64Array(count * each) : null;
  const products = kernels && new Float64Array(count * each);
  const places = new Int32Array(count * each * rank);
  const partials = new Float64Array(count).fill(kind === "max" ? -Infinity : 0);
  const first = new Int32Array(count * rank).fill(0x7fffffff);
  const saved = axes.map((axis) => at[axis]);
  for (const axis of axes) at[axis] = 0;
  let counted = 0;
  for (let group = 0, n = 0; group < count; group++) {
    for (let k = 0; k < each; k++, n++) {
      const start = n * rank;
      for (let d = 0; d < rank; d++) {
        const place = read.places[d]();
        places[start + d] = place;
        if (place < first[group * rank + d]) first[group * rank + d] = place;
      }
      let term = (windows[n] = read.fetch(places, start));
      if (read.inside && !read.inside(places, start)) inside[n] = 0;
      else counted++;
      if (kernels && products) {
        let kernel = weights[0].value();
        for (let w = 1; w < weights.length; w++) kernel *= weights[w].value();
        kernels[n] = kernel;
        products[n] = term *= kernel;
      }
      partials[group] = kind === "max" ? Math.max(partials[group], term) : partials[group] + term;
      step(at, axes, lengths);
    }
  }
  axes.forEach((axis, n) => (at[axis] = saved[n]));
  if (kind === "mean") {
    const all = main.skips ? counted : count * each;
    for (let group = 0; group < count; group++) partials[group] /= all;
  }
  const channels = new Int32Array(count);
  const corners = [];
  for (let group = 0; group < count; group++) {
    const corner = [];
    for (let d = 0; d < rank; d++) {
      if (d === channel) channels[group] = first[group * rank + d];
      else corner.push(first[group * rank + d]);
    }
    corners.push(corner);
  }
  return {
    tensor: main.tensor,
    count,
    axes: main.names,
    sizes,
    rank,
    channel,
    channels,
    places,
    windows,
    inside,
    kernels,
    products,
    partials,
    corners,
  };
}

/** Finds the boxes that an expression reads while axes run between bounds. */
class Windows {
  /** @param {EquationJson} equation */
  constructor(equation) {
    this.equation = equation;
    this.held = new Map(equation.locals.map((item) => [item.name, item]));
    /** @type {Map<string, Box>} */
    this.boxes = new Map();
    /** @type {Set<string>} locals with the bounds that have been followed */
    this.followed = new Set();
  }

  /**
   * @param {ExpressionJson} node
   * @param {number[]} low the lowest place along every axis
   * @param {number[]} high
   * @returns {void}
   */
  visit(node, low, high) {
    if ("read" in node) this.read(node, low, high);
    else if ("args" in node) node.args.forEach((part) => this.visit(part, low, high));
    else if ("reduce" in node) {
      const [lowest, highest] = [low.slice(), high.slice()];
      for (const axis of node.over) {
        lowest[axis] = 0;
        highest[axis] = known(this.equation.index[axis].size) - 1;
      }
      this.visit(node.body, lowest, highest);
    } else if ("pieces" in node) {
      const { along } = node;
      let start = 0;
      node.pieces.forEach((piece, n) => {
        const stop = known(node.ends[n]);
        const [lowest, highest] = [low.slice(), high.slice()];
        lowest[along] = Math.max(low[along], start);
        highest[along] = Math.min(high[along], stop - 1);
        if (lowest[along] <= highest[along]) this.visit(piece, lowest, highest);
        start = stop;
      });
    }
  }

  /**
   * @param {ReadJson} node
   * @param {number[]} low
   * @param {number[]} high
   */
  read(node, low, high) {
    /** @type {Box} */
    const box = node.at.map((index) => bounds(index, low, high));
    const held = this.held.get(node.read);
    if (held) {
      const key = JSON.stringify([node.read, box]);
      if (this.followed.has(key)) return;
      this.followed.add(key);
      const [lowest, highest] = [low.slice(), high.slice()];
      held.axes.forEach((axis, n) => ([lowest[axis], highest[axis]] = box[n]));
      this.visit(held.expression, lowest, highest);
      return;
    }
    if (box.some(([first, last]) => last < first)) return; // no division comes out whole
    const { role, shape } = this.equation.tensors[node.read];
    if (role === "input" && shape) {
      const sizes = shape.map(known);
      const beyond = box.some(([first, last], d) => last < 0 || first >= sizes[d]);
      if (beyond && node.padding && node.outside !== "edge") return; // nothing but border
      box.forEach(([first, last], d) => {
        box[d] = [Math.min(Math.max(first, 0), sizes[d] - 1), Math.max(Math.min(last, sizes[d] - 1), 0)];
      });
    }
    const old = this.boxes.get(node.read);
    if (old) {
      box.forEach(([first, last], d) => {
        box[d] = [Math.min(first, old[d][0]), Math.max(last, old[d][1])];
      });
    }
    this.boxes.set(node.read, box);
  }
}

/**
 * Return the lowest and highest value of an index while axes run between bounds; exact where it is affine.
 * @param {IndexJson} index
 * @param {number[]} low
 * @param {number[]} high
 * @returns {[number, number]}
 */
function bounds(index, low, high) {
  let first = known(index.const);
  let last = first;
  for (const [atom, size] of index.terms) {
    const factor = known(size);
    let [a, b] = typeof atom === "number" ? [low[atom], high[atom]] : bounds(atom.of, low, high);
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

// == Numbers as text ==============================================================================
//
// explain/words.py over again, digit for digit. Python rounds what lies exactly halfway to the even
// digit, JavaScript away from zero; all else both round correctly.

/**
 * Return a number with a fixed number of decimals and a true minus sign.
 * @param {number} value
 * @param {number} [places]
 */
export function decimal(value, places = 6) {
  if (!Number.isFinite(value)) return exact(value);
  const size = Math.abs(value);
  let text;
  if (size < 1e21) text = toEven(size.toFixed(places), size, places);
  else text = places ? `${BigInt(size)}.${"0".repeat(places)}` : `${BigInt(size)}`;
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

/**
 * Return a number with every digit that float32 has, and a true minus sign.
 * @param {number} value
 */
export function exact(value) {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 || Object.is(value, -0) ? "−" : "";
  const size = Math.abs(value);
  if (size === 0 || size === Infinity) return `${sign}${size ? "∞" : "0"}`;
  const [mantissa, power] = exponential(size, 8);
  let text = mantissa.replace(".", "");
  if (power < -4 || power >= 9) {
    const digits = String(Math.abs(power)).padStart(2, "0");
    return `${sign}${withoutZeros(mantissa)}e${power < 0 ? "−" : "+"}${digits}`;
  }
  if (power < 0) text = `0.${"0".repeat(-power - 1)}${text}`;
  else text = `${text.slice(0, power + 1)}.${text.slice(power + 1)}`;
  return sign + withoutZeros(text);
}

/**
 * Return a small number as 2·10⁻⁸.
 * @param {number} value
 */
export function scientific(value) {
  if (value === 0 || !Number.isFinite(value)) return exact(value);
  const [mantissa, power] = exponential(Math.abs(value), 1);
  const raised = String(power).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
  return `${value < 0 ? "−" : ""}${withoutZeros(mantissa)}·10${raised}`;
}

/**
 * Return numbers rounded so that what is shown adds up to the shown total, exactly: each is rounded down,
 * and the units that are then missing go to those that lost most. Numbers of which one is not finite do
 * not add up; they come back one by one.
 * @param {ArrayLike<number>} values
 * @param {number} total
 * @param {number} digits how many decimals
 * @returns {{texts: string[], total: string}}
 */
export function addingUp(values, total, digits) {
  const numbers = Array.from(values);
  if (!numbers.length || ![...numbers, total].every(Number.isFinite)) {
    return { texts: numbers.map((value) => decimal(value, digits)), total: decimal(total, digits) };
  }
  const unit = Number(`1e${digits}`);
  const scaled = numbers.map((value) => value * unit);
  const floors = scaled.map(Math.floor);
  const whole = floors.map(BigInt);
  const lost = scaled.map((value, n) => value - floors[n]);
  const target = BigInt(halfToEven(total * unit));
  const missing = target - whole.reduce((a, b) => a + b, 0n);
  const order = lost.map((_, n) => n).sort((a, b) => (missing > 0n ? lost[b] - lost[a] : lost[a] - lost[b]));
  const count = BigInt(order.length);
  const one = missing > 0n ? 1n : -1n;
  const [turns, more] = [(missing * one) / count, Number((missing * one) % count)];
  order.forEach((n, place) => (whole[n] += one * (turns + (place < more ? 1n : 0n))));
  return {
    texts: whole.map((value) => decimal(Number(value) / unit, digits)),
    total: decimal(Number(target) / unit, digits),
  };
}

/** @param {number} value */
function halfToEven(value) {
  const below = Math.floor(value);
  const lost = value - below;
  return lost > 0.5 || (lost === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/**
 * Return a positive number's mantissa with so many decimals, and its power of ten.
 * @param {number} size
 * @param {number} decimals
 * @returns {[string, number]}
 */
function exponential(size, decimals) {
  const [mantissa, power] = size.toExponential(decimals).split("e");
  return [toEven(mantissa, size, decimals - Number(power)), Number(power)];
}

/**
 * Return the text of a number that was rounded to so many decimals with halves going up, with halves
 * going to the even digit. Halfway is value·10ᵖ = n + ½, so that value·2ᵖ⁺¹ is odd.
 * @param {string} text
 * @param {number} size
 * @param {number} places may be negative
 */
function toEven(text, size, places) {
  let halfway;
  if (places >= 0) halfway = (size * 2 ** (places + 1)) % 2 === 1;
  else {
    const unit = 10n ** BigInt(-places);
    halfway = Number.isInteger(size) && (2n * BigInt(size)) % (2n * unit) === unit;
  }
  const last = Number(text.slice(-1));
  return halfway && last % 2 ? `${text.slice(0, -1)}${last - 1}` : text;
}

/** @param {string} text */
function withoutZeros(text) {
  return text.includes(".") ? text.replace(/\.?0*$/, "") : text;
}
