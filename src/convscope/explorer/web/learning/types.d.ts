// What the screen Learning is told. Types only.

export type Frame = { step: number; loss: number; judged: Record<string, number> };
/** Which number of a weight: "conv2d.kernel", and where in it. */
export type Which = { of: string; at: number[] };
export type Settings = { optimizer: string; learning_rate: number; batch_size: number; epochs: number };
export type State = {
  begun: number;
  live: boolean;
  state: "ready" | "running" | "paused" | "done" | "failed";
  why?: string;
  step: number;
  steps: number;
  words: string;
  network: string;
  optimizer: string;
  loss: string;
  settings?: Settings;
  /** Those that the network came with. */
  usual?: Settings;
  optimizers?: Record<string, { title: string; learning_rate: number }>;
  /** How many are learned from. */
  images?: number;
  frames: Frame[];
  losses: (number | null)[];
  accuracies: (number | null)[];
  weights: Record<string, number[]>;
  labels: string[];
  /** Where the newest gradient of each weight is largest. */
  lively: Record<string, number[]>;
  /** In a file: the numbers whose movements it can take apart. */
  apart: [string, number[]][];
};
export type Path = { steps: number[]; values: number[]; gradients: number[]; updates: number[] };
export type Line = { name: string; formula: string; value: number };
export type Factor = { of: string; index: number[]; value: number; role: string; layer: string | null; at: number[] };
export type Term = { value: number; layer: string; filter: string | null; factors: Factor[] };
export type Taken = {
  step: number;
  optimizer: string;
  before: number;
  after: number;
  value: number;
  gradient: number;
  engine_gradient: number;
  rounding: number | null;
  penalty: number;
  constraint: string | null;
  equation: string[];
  corners: string[];
  /** Why no image adds anything, if none does. */
  silent?: string | null;
  terms: number | null;
  images: { image: number; partial_sum: number; terms: number | null }[];
  lines: Line[];
  targets: number[];
};
export type Products = { terms: Term[]; count: number; rest: number; others: number };
export type Back = { value: number; own: number; rest: number; others: number; rows: number; equation: string[]; corners: string[]; terms: Term[] };
