// What the explorer's module and its hosts tell one another. Types only: nothing here reaches a browser.

// -- equations: what notation/serial.py writes -------------------------------------------------------

/** A number; a symbol's text, or null where it is none yet. */
export type Size = number | string | null;
export type AtomJson = number | { op: "floor" | "mod" | "exact"; of: IndexJson; by: Size } | { table: number[]; of: IndexJson };
export type IndexJson = { terms: [AtomJson, Size][]; const: Size };
export type Outside = "zero" | "-inf" | "skip" | "edge";
export type ReadJson = { read: string; at: IndexJson[]; padding?: [Size, Size][]; outside?: Outside; scattered?: boolean };
export type Kind = "sum" | "max" | "mean" | "first";
/** Of an axis: the number next to which its places count, and how many they are. */
export type NearJson = [number, ExpressionJson, number];
export type ReductionJson = { reduce: Kind; over: number[]; body: ExpressionJson; near?: NearJson[] };
export type PiecesJson = { along: number | IndexJson; ends: Size[]; pieces: ExpressionJson[] };
/** 1 where every index is whole and in 0 … size − 1, else 0; and the number that an index is. */
export type InsideJson = { inside: IndexJson[]; sizes: Size[] };
export type PlaceJson = { place: IndexJson };
export type CallJson =
  | { op: "+" | "-" | "*" | "/"; args: ExpressionJson[] }
  | { call: string; args: ExpressionJson[] };
export type ExpressionJson = { number: number | string } | ReadJson | CallJson | ReductionJson | PiecesJson | InsideJson | PlaceJson;
/** ["max", "x", 0]: a function, and formulas. */
export type FormulaJson = string | number | any[];
export type LocalJson = {
  name: string;
  axes: number[];
  expression: ExpressionJson;
  preactivation?: boolean;
  neutral?: boolean;
};
export type MainJson = {
  reduce: Kind;
  over: number | null;
  window: number[];
  read: ReadJson;
  weights: ExpressionJson[];
  near?: NearJson[];
  channel: number | null;
  channels: Size;
};
export type LedgerJson = {
  axes: number[];
  preactivation: ExpressionJson;
  activation: string[];
  whole: boolean;
  main: MainJson | null;
  added: ExpressionJson[];
  listed_axes: number[];
  listed: ExpressionJson[];
};
export type EquationJson = {
  name: string;
  text: string;
  axes: number[];
  expression: ExpressionJson;
  locals: LocalJson[];
  tensors: Record<string, { role: "input" | "weight" | "gradient"; shape: Size[] | null }>;
  index: { name: string; size: Size; word: string; role: "" | "in" | "out" }[];
  functions: Record<string, { name: string; parameters: string[]; formula: FormulaJson }>;
  ledger: LedgerJson;
};

// -- what the evaluator is given, and gives -----------------------------------------------------------

/** Part of a tensor, or all of it: numbers in C order, where they start, their shape, and the whole tensor's. */
export type Patch = {
  data: Float32Array | Float64Array;
  origin: number[];
  shape: number[];
  whole: number[];
};
export type Values = Record<string, Patch>;
/** (first, last) along each axis. */
export type Box = [number, number][];
export type Position = ArrayLike<number>;
export type Reading = { name: string; index: number[]; value: number; role: "input" | "weight" | "gradient" | "local" };
/**
 * What notation/ledger.py says, field by field. What is per term lies in C order over (group, ...sizes): `places`
 * (where it reads, `rank` indices each), `windows`, `inside`, `kernels`, `products`. `channel` is the index that
 * says the channel, `of` how many channels there are, whatever group is read; `between` counts the terms that fall
 * where an exact division leaves gaps.
 */
export type Groups = {
  tensor: string;
  count: number;
  axes: string[];
  sizes: number[];
  rank: number;
  channel: number | null;
  channels: Int32Array;
  of: number | null;
  between: number;
  places: Int32Array;
  windows: Float64Array;
  inside: Uint8Array;
  kernels: Float64Array | null;
  products: Float64Array | null;
  partials: Float64Array;
  corners: number[][];
};
/** A sum, a mean or a maximum on the way: its local's name ("" for none), the names and sizes of what it runs over, its terms in C order. */
export type Inner = { name: string; kind: Kind; names: string[]; sizes: number[]; terms: Float64Array; value: number };
export type Ledger = {
  position: number[];
  value: number;
  preactivation: number;
  bias: number | null;
  terms: number;
  reduction: Kind | null;
  activation: string[];
  whole: boolean;
  readings: Reading[];
  groups: Groups | null;
};

// -- what the host is asked, and tells ----------------------------------------------------------------

type Listening = (event: string, heard: (...rest: any[]) => void) => void;
/** anywidget's model, as far as it is used here. */
export type Model = {
  get: (key: string) => any;
  on: Listening;
  off: Listening;
  send: (message: any, callbacks?: any, buffers?: ArrayBuffer[]) => void;
};
export type Question = Record<string, any>;
export type Answer = { facts: any; body: DataView | null };
/** Which axis picks the map, which its rows and columns. */
export type Axes = { maps: number | null; rows: number | null; columns: number | null };
/** A layer, or an input of the network; shapes are without the batch, sizes that are unknown are null. */
export type Layer = {
  name: string;
  kind: string;
  inputs: string[];
  shape: number[];
  axes: Axes;
  /** Column and lane in the drawing. */
  place: [number, number];
  weights: Record<string, number[]>;
  params: number | null;
  macs: number | null;
  receptive_field: any;
  equation: boolean;
  /** Whether people have pictures of it (a convolution). */
  pictures: boolean;
  input: boolean;
};
/** Done to an image before it goes in. */
export type Step = { step: string; words: string; before: number[]; after: number[] };
export type Run = {
  id: number;
  source: string;
  steps: Step[];
  /** How its pixels went in; null for what is no picture. */
  pixels: string | null;
  /** What computed it: ONNX Runtime, PyTorch, or the page itself. */
  engine: string;
  /** Whether it was made with other weights than the network's, which are then asked of it. */
  weights?: boolean;
  shapes: Record<string, number[]>;
  output: string;
  ranges: Record<string, [number, number]>;
  largest: { position: number[]; value: number }[];
  /** Layers that could not be computed, each with the layer without an equation before it. */
  missing?: Record<string, string>;
  /** Layers without an equation whose numbers somebody else computed, each with who did. */
  taken?: Record<string, string>;
};
/** A layer, or blocks of layers that are alike: its column and lane, the entries that feed it; of each block its layers, where they stand in it, what feeds them. */
export type Entry = { name: string; place: [number, number]; feeds: number[]; blocks: [string, [number, number], string[]][][] };
export type Told = {
  name: string;
  overview: Entry[];
  layers: Layer[];
  inputs: Layer[];
  warnings: string[];
  samples: string[];
  /** Whether the image that it was opened for is still to go through: "first" waits for it. */
  running?: boolean;
  /** What is said of mental models that were tested, and of the numbers that are read: as Python says it. */
  words: Record<string, string>;
  /** Where a page opens whose address does not say. */
  place: string;
  /** The titles of the late screens that there are, by name. */
  screens: Record<string, string>;
  /** Scheme → the colours of −1, 0 and 1: red, green, blue. */
  colours: Record<"light" | "dark", Record<"low" | "zero" | "high", number[]>>;
  /** The names of the classes that come out, in order; none where they are not known. */
  labels: string[];
  /** How pixels go in unless somebody says otherwise, why, and every way in words. */
  pixels: { name: string; why: string; choices: Record<string, string> };
  run: Run | null;
};
/** What a lesson says, with the network's numbers in it; {value}, {where} and {guess} are left to the page. */
export type LessonStep = {
  title: string;
  text: string;
  place: string;
  part: string | null;
  guess?: { ask: string; answer: number; right: string; wrong: string };
};
export type Lesson = { name: string; title: string; about: string; steps: LessonStep[] };
export type Detail = {
  name: string;
  equation: EquationJson;
  /** The equation's name for an input → the layer that feeds it. */
  feeds: Record<string, string>;
  activation: string | null;
  /** How its numbers' accounts are worded; null where nothing is added up. What differs stands in braces: explain/account.py. */
  account: Wording | null;
  pictures: any[];
};
export type Wording = Record<"reads" | "row" | "rest" | "padding" | "gaps" | "edge" | "bias", string>;
/** Maps, each a tile of numbers; `of` is how large they are when every number is there. */
export type Tiles = { maps: number[]; tile: [number, number]; of: [number, number]; data: Float32Array };
/** Layers, old and new: what `convscope whatif --json` writes. */
export type Change = { layers: any[]; totals: any; edits: any[]; notes: string[] };
export type Setting = { kind: string; value: any; none: boolean; choices: string[]; count: number };
export type Dropped = {
  size: number;
  stride: number;
  positions: number;
  kept: number;
  unread: number;
  word: string;
};
