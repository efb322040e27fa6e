// What the screen Survey is told. Types only: nothing here reaches a browser.

export type Verdict = { kind: string; layer: string; maps: number[]; evidence: string; proved: boolean };
export type Layer = { name: string; kind: string; maps: number; places: number; zeros: number; sees: string };
export type Whole = {
  images: number;
  all: boolean;
  described: string;
  steps: string[];
  skipped: number;
  bad: [string, string][];
  pictures: boolean;
  block: number;
  layers: Layer[];
  same: Record<string, string>;
  verdicts: Verdict[];
  classes: string[];
  confusion: Record<string, number[]>;
  accuracy: number | null;
};
/** A list for each figure, a number for each map. */
export type Figures = Record<"mean" | "std" | "min" | "max" | "zeros" | "not_finite", (number | null)[]>;
export type Response = { value: number | null; image: number; at: number[]; patch: string | null; words: string };
export type Card = { map: number; bars: number[]; top: Response[] };
export type Block = { maps: Card[] };
